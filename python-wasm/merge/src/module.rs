//! Core modules: what they import and export, and the rewriting of single sections.

use anyhow::Result;
use wasm_encoder::RawSection;
use wasmparser::{ConstExpr, Export, ExternalKind, Import, Operator, Parser, Payload, TypeRef};

/// A core module, its imports and exports read.
pub struct Module<'a> {
    pub bytes: &'a [u8],
    pub imports: Vec<Import<'a>>,
    pub exports: Vec<Export<'a>>,
}

impl<'a> Module<'a> {
    /// Reads a module.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut module = Self { bytes, imports: Vec::new(), exports: Vec::new() };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    module.imports = section.into_imports().collect::<Result<_, _>>()?;
                }
                Payload::ExportSection(section) => module.exports = section.into_iter().collect::<Result<_, _>>()?,
                _ => {}
            }
        }
        Ok(module)
    }

    /// The import behind an index, if the index is an import's.
    pub fn import(&self, kind: ExternalKind, index: u32) -> Option<&Import<'a>> {
        self.imports.iter().filter(|import| import_kind(import.ty) == kind).nth(index as usize)
    }

    /// The export of this name.
    pub fn export(&self, name: &str) -> Option<&Export<'a>> {
        self.exports.iter().find(|export| export.name == name)
    }
}

/// The index space that an import adds to.
pub fn import_kind(ty: TypeRef) -> ExternalKind {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => ExternalKind::Func,
        TypeRef::Table(_) => ExternalKind::Table,
        TypeRef::Memory(_) => ExternalKind::Memory,
        TypeRef::Global(_) => ExternalKind::Global,
        TypeRef::Tag(_) => ExternalKind::Tag,
    }
}

/// The value of an expression that is one 32-bit constant; none of any other.
pub fn constant(expression: &ConstExpr<'_>) -> Result<Option<i32>> {
    let mut operators = expression.get_operators_reader();
    let Operator::I32Const { value } = operators.read()? else { return Ok(None) };
    Ok(matches!(operators.read()?, Operator::End).then_some(value))
}

/// What becomes of a section.
pub enum Edit {
    Keep,
    Drop,
    /// It was written anew by whoever decided.
    Written,
}

/// Copies a module section by section; `edit` sees each first and may write another in its place.
pub fn rewrite<'a>(
    module: &'a [u8],
    mut edit: impl FnMut(Payload<'a>, &mut wasm_encoder::Module) -> Result<Edit>,
) -> Result<Vec<u8>> {
    let mut out = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else { continue };
        if let Edit::Keep = edit(payload, &mut out)? {
            out.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(out.finish())
}
