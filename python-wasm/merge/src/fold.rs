//! Computes globals that are sums of constants, which binaryen leaves as they are.
//!
//! They are the addresses that libraries had of each other. As plain constants they disappear into the code that reads
//! them, and with them the need for constant expressions with arithmetic.

use anyhow::{Result, bail};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ConstExpr, GlobalSection};
use wasmparser::{BinaryReaderError, Operator, Payload};

use crate::module::{Edit, rewrite};

/// The module with computed globals, and how many were computed.
pub fn fold(module: &[u8]) -> Result<(Vec<u8>, usize)> {
    let mut values = Vec::new();
    let mut folded = 0;
    let module = rewrite(module, |payload, out| {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if matches!(import?.ty, wasmparser::TypeRef::Global(_)) {
                        values.push(None);
                    }
                }
                return Ok(Edit::Keep);
            }
            Payload::GlobalSection(section) => {
                let mut globals = GlobalSection::new();
                for global in section {
                    let global = global?;
                    let mutable = global.ty.mutable;
                    let operators: Vec<Operator<'_>> = global
                        .init_expr
                        .get_operators_reader()
                        .into_iter()
                        .collect::<Result<_, BinaryReaderError>>()?;
                    let value = evaluate(&operators, &values)?;
                    match value {
                        Some(value) => {
                            let ty = RoundtripReencoder.global_type(global.ty)?;
                            globals.global(ty, &ConstExpr::i32_const(value));
                            // A constant alone is two operators: itself and `end`.
                            folded += usize::from(operators.len() > 2);
                        }
                        None => RoundtripReencoder.parse_global(&mut globals, global)?,
                    }
                    // Only the first value of a mutable global is known.
                    values.push(value.filter(|_| !mutable));
                }
                out.section(&globals);
            }
            _ => return Ok(Edit::Keep),
        }
        Ok(Edit::Written)
    })?;
    Ok((module, folded))
}

/// The value of a constant expression over 32-bit integers; none when it is of another kind.
fn evaluate(operators: &[Operator<'_>], globals: &[Option<i32>]) -> Result<Option<i32>> {
    let mut stack: Vec<i32> = Vec::new();
    for operator in operators {
        let value = match operator {
            Operator::I32Const { value } => *value,
            Operator::GlobalGet { global_index } => match globals.get(*global_index as usize) {
                Some(Some(value)) => *value,
                _ => return Ok(None),
            },
            Operator::I32Add | Operator::I32Sub | Operator::I32Mul => {
                let (Some(right), Some(left)) = (stack.pop(), stack.pop()) else {
                    bail!("a constant expression is short")
                };
                match operator {
                    Operator::I32Add => left.wrapping_add(right),
                    Operator::I32Sub => left.wrapping_sub(right),
                    _ => left.wrapping_mul(right),
                }
            }
            Operator::End => break,
            _ => return Ok(None),
        };
        stack.push(value);
    }
    Ok(stack.pop())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{GlobalType, ImportSection, Instruction, Module, ValType};

    use super::*;

    const I32: GlobalType = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
    const MUTABLE: GlobalType = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    const I64: GlobalType = GlobalType { val_type: ValType::I64, mutable: false, shared: false };

    fn module(globals: &[(GlobalType, ConstExpr)]) -> Vec<u8> {
        let mut imports = ImportSection::new();
        imports.import("env", "base", I32);
        let mut section = GlobalSection::new();
        for (ty, value) in globals {
            section.global(*ty, value);
        }
        let mut module = Module::new();
        module.section(&imports).section(&section);
        module.finish()
    }

    fn sum(left: Instruction<'_>, right: Instruction<'_>) -> ConstExpr {
        ConstExpr::extended([left, right, Instruction::I32Add])
    }

    #[test]
    fn sums_of_constants_and_of_earlier_globals_are_computed() -> Result<()> {
        let (after, folded) = fold(&module(&[
            (I32, ConstExpr::i32_const(7)),
            (I32, sum(Instruction::I32Const(40), Instruction::I32Const(2))),
            (I32, sum(Instruction::GlobalGet(1), Instruction::GlobalGet(2))),
            (I32, sum(Instruction::I32Const(i32::MAX), Instruction::I32Const(1))),
        ]))?;
        assert_eq!(folded, 3);
        let constant = |value| (I32, ConstExpr::i32_const(value));
        assert_eq!(after, module(&[constant(7), constant(42), constant(49), constant(i32::MIN)]));
        Ok(())
    }

    #[test]
    fn what_is_not_constant_or_not_32_bits_stays() -> Result<()> {
        let before = module(&[
            (I32, sum(Instruction::GlobalGet(0), Instruction::I32Const(1))),
            (MUTABLE, ConstExpr::i32_const(3)),
            (I64, ConstExpr::i64_const(4)),
            (I32, sum(Instruction::GlobalGet(2), Instruction::I32Const(1))),
        ]);
        assert_eq!(fold(&before)?, (before, 0));
        Ok(())
    }
}
