//! Has one function take room on the stack in linear memory.
//!
//! CPython measures how deep it is by that stack. `_Py_Dealloc`, through which every chain of objects is taken apart, keeps
//! nothing there, so that CPython saw no depth at all, and the machine's own stack ended.

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{CodeSection, Function, FunctionSection, Instruction};
use wasmparser::{BinaryReader, CodeSectionReader, FuncType, KnownCustom, Name, Parser, Payload, TypeRef};

use crate::module::{Edit, rewrite};

/// The module with `bytes` more on its stack in linear memory during each call of the function of this name.
pub fn deepen(module: &[u8], name: &str, bytes: i32) -> Result<Vec<u8>> {
    let Facts { function, imported, defined, parameters, stack_pointer } = Facts::read(module, name)?;
    let inner = imported + defined;
    rewrite(module, |payload, out| match payload {
        Payload::FunctionSection(section) => {
            let mut functions = FunctionSection::new();
            let declared = section.into_iter().collect::<Result<Vec<_>, _>>()?;
            let own = *declared.get((function - imported) as usize).context("the function has no type")?;
            for ty in declared.into_iter().chain([own]) {
                functions.function(ty);
            }
            out.section(&functions);
            Ok(Edit::Written)
        }
        Payload::CodeSectionStart { range, .. } => {
            let mut code = CodeSection::new();
            let mut original = None;
            let bodies = CodeSectionReader::new(BinaryReader::new(&module[range.clone()], range.start))?;
            for (at, body) in (imported..).zip(bodies) {
                let body = &module[body?.range()];
                if at == function {
                    original = Some(body);
                    code.function(&wrapper(inner, parameters, stack_pointer, bytes));
                } else {
                    code.raw(body);
                }
            }
            code.raw(original.context("the function has no body")?);
            out.section(&code);
            Ok(Edit::Written)
        }
        _ => Ok(Edit::Keep),
    })
}

/// Calls `inner` with the same arguments while the stack is deeper.
fn wrapper(inner: u32, parameters: u32, stack_pointer: u32, bytes: i32) -> Function {
    let mut function = Function::new([]);
    move_stack(&mut function, stack_pointer, -bytes);
    for parameter in 0..parameters {
        function.instruction(&Instruction::LocalGet(parameter));
    }
    function.instruction(&Instruction::Call(inner));
    move_stack(&mut function, stack_pointer, bytes);
    function.instruction(&Instruction::End);
    function
}

fn move_stack(function: &mut Function, stack_pointer: u32, by: i32) {
    function
        .instruction(&Instruction::GlobalGet(stack_pointer))
        .instruction(&Instruction::I32Const(by))
        .instruction(&Instruction::I32Add)
        .instruction(&Instruction::GlobalSet(stack_pointer));
}

/// What has to be known of the module.
struct Facts {
    function: u32,
    imported: u32,
    defined: u32,
    parameters: u32,
    stack_pointer: u32,
}

impl Facts {
    fn read(module: &[u8], name: &str) -> Result<Self> {
        let (mut imported, mut globals) = (0, 0);
        let (mut types, mut declared): (Vec<FuncType>, Vec<u32>) = (Vec::new(), Vec::new());
        let (mut pointers, mut found) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) => imported += 1,
                            TypeRef::Global(_) => globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => declared = section.into_iter().collect::<Result<_, _>>()?,
                Payload::GlobalSection(section) => {
                    for global in section {
                        let ty = RoundtripReencoder.global_type(global?.ty)?;
                        if ty.mutable && ty.val_type == wasm_encoder::ValType::I32 {
                            pointers.push(globals);
                        }
                        globals += 1;
                    }
                }
                Payload::CustomSection(section) => {
                    let KnownCustom::Name(names) = section.as_known() else { continue };
                    for part in names {
                        let Name::Function(names) = part? else { continue };
                        for naming in names {
                            let naming = naming?;
                            if naming.name == name || naming.name.ends_with(&format!("|{name}")) {
                                found.push(naming.index);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        let [function] = found[..] else { bail!("{} functions are called {name}, and one was expected", found.len()) };
        let [stack_pointer] = pointers[..] else { bail!("the stack pointer is one of {} globals", pointers.len()) };
        ensure!(function >= imported, "{name} is an import");
        let ty = declared.get((function - imported) as usize).and_then(|ty| types.get(*ty as usize));
        let ty = ty.context("the function has no type")?;
        ensure!(ty.results().is_empty(), "{name} returns something");
        let parameters = u32::try_from(ty.params().len())?;
        Ok(Facts { function, imported, defined: u32::try_from(declared.len())?, parameters, stack_pointer })
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{ConstExpr, GlobalSection, GlobalType, Module, NameMap, NameSection, TypeSection, ValType};

    use super::*;

    /// Two functions, of which the first calls the second, and a stack pointer.
    fn module(names: &[&str]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], []);
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut globals = GlobalSection::new();
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i32_const(1024));
        let mut code = CodeSection::new();
        let mut first = Function::new([]);
        first.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::Call(1)).instruction(&Instruction::End);
        let mut second = Function::new([(1, ValType::I64)]);
        second.instruction(&Instruction::Nop).instruction(&Instruction::End);
        code.function(&first).function(&second);
        let mut map = NameMap::new();
        for (index, name) in (0..).zip(names) {
            map.append(index, name);
        }
        let mut section = NameSection::new();
        section.functions(&map);
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&globals).section(&code).section(&section);
        module.finish()
    }

    #[test]
    fn a_call_takes_room_on_the_stack() -> Result<()> {
        let after = deepen(&module(&["caller", "dealloc"]), "dealloc", 64)?;
        wasmparser::Validator::new().validate_all(&after)?;
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(&after) {
            if let Payload::CodeSectionEntry(body) = payload? {
                let operators = body.get_operators_reader()?.into_iter().collect::<Result<Vec<_>, _>>()?;
                bodies.push(operators.iter().map(|operator| format!("{operator:?}")).collect::<Vec<_>>());
            }
        }
        assert_eq!(bodies.len(), 3);
        assert_eq!(bodies[0][1], "Call { function_index: 1 }");
        let wanted = [
            "GlobalGet { global_index: 0 }",
            "I32Const { value: -64 }",
            "I32Add",
            "GlobalSet { global_index: 0 }",
            "LocalGet { local_index: 0 }",
            "Call { function_index: 2 }",
            "GlobalGet { global_index: 0 }",
            "I32Const { value: 64 }",
            "I32Add",
            "GlobalSet { global_index: 0 }",
            "End",
        ];
        assert_eq!(bodies[1], wanted);
        assert_eq!(bodies[2], ["Nop", "End"]);
        Ok(())
    }

    #[test]
    fn a_function_that_is_not_there_ends_the_build() {
        assert!(deepen(&module(&["caller", "other"]), "dealloc", 64).is_err());
        assert!(deepen(&module(&["dealloc", "dealloc"]), "dealloc", 64).is_err());
    }
}
