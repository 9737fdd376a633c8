//! The functions of a core module, read: what they are called with, call and contain.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use wasmparser::{ElementItems, ExternalKind, FuncType, Operator, Parser, Payload, TypeRef, ValType};

/// An imported function.
pub struct Imported<'a> {
    pub module: &'a str,
    pub name: &'a str,
    pub ty: u32,
}

/// A function that the module defines.
pub struct Defined<'a> {
    pub ty: u32,
    pub locals: Vec<(u32, ValType)>,
    pub operators: Vec<Operator<'a>>,
}

/// An exported function.
pub struct Exported<'a> {
    pub name: &'a str,
    pub function: u32,
}

/// The functions of a module. Indexes count imports first, as in the module.
#[derive(Default)]
pub struct Code<'a> {
    pub types: Vec<FuncType>,
    pub imports: Vec<Imported<'a>>,
    pub functions: Vec<Defined<'a>>,
    pub exports: Vec<Exported<'a>>,
    /// Functions that can be called through a table.
    pub in_table: BTreeSet<u32>,
    pub globals: u32,
    /// Globals that are exported.
    pub exported_globals: BTreeSet<u32>,
}

impl<'a> Code<'a> {
    /// Reads a module. Imports that are no functions, and functions in tables that only an expression names, are refused.
    pub fn read(module: &'a [u8]) -> Result<Self> {
        let mut code = Self::default();
        let mut types = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    code.types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let TypeRef::Func(ty) = import.ty else {
                            bail!("`{}` is imported and no function", import.name)
                        };
                        code.imports.push(Imported { module: import.module, name: import.name, ty });
                    }
                }
                Payload::FunctionSection(section) => types = section.into_iter().collect::<Result<_, _>>()?,
                Payload::GlobalSection(section) => code.globals = section.count(),
                Payload::ExportSection(section) => code.read_exports(section)?,
                Payload::StartSection { .. } => bail!("the module has a start function"),
                Payload::ElementSection(section) => {
                    for segment in section {
                        let ElementItems::Functions(functions) = segment?.items else {
                            bail!("an element segment has expressions");
                        };
                        for function in functions {
                            code.in_table.insert(function?);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let ty = *types.get(code.functions.len()).context("a function has no type")?;
                    let locals = body.get_locals_reader()?.into_iter().collect::<Result<_, _>>()?;
                    let operators = body.get_operators_reader()?.into_iter().collect::<Result<_, _>>()?;
                    code.functions.push(Defined { ty, locals, operators });
                }
                _ => {}
            }
        }
        Ok(code)
    }

    fn read_exports(&mut self, section: wasmparser::ExportSectionReader<'a>) -> Result<()> {
        for export in section {
            let export = export?;
            match export.kind {
                ExternalKind::Func => self.exports.push(Exported { name: export.name, function: export.index }),
                ExternalKind::Global => _ = self.exported_globals.insert(export.index),
                _ => {}
            }
        }
        Ok(())
    }

    /// The position among the defined functions; none for an import.
    pub fn defined(&self, function: u32) -> Option<usize> {
        (function as usize).checked_sub(self.imports.len())
    }

    /// The type of a function.
    pub fn type_of(&self, function: u32) -> Result<&FuncType> {
        let ty = match self.defined(function) {
            None => self.imports.get(function as usize).map(|import| import.ty),
            Some(at) => self.functions.get(at).map(|function| function.ty),
        };
        ty.and_then(|ty| self.types.get(ty as usize)).with_context(|| format!("function {function} has no type"))
    }
}

/// Whether an operator is work: not only the structure of the code.
pub fn is_work(operator: &Operator<'_>) -> bool {
    !matches!(operator, Operator::Nop | Operator::Block { .. } | Operator::Loop { .. } | Operator::Else | Operator::End)
}
