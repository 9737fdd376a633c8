//! What must hold for a merged component: it starts fast, and asks the host for nothing new.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{
    ComponentExternalKind, ConstExpr, DataKind, ElementKind, ExternalKind, Operator, Parser, Payload, TypeRef,
    Validator, WasmFeatures,
};

/// Runtimes take no more than 100,000 data segments; a snapshot has some 7,000. Near the limit an optimiser pass has
/// cut them up.
const MAX_DATA_SEGMENTS: u32 = 50_000;

/// What a merged component is made of.
#[derive(Default)]
pub struct Counts {
    imported_instances: u32,
    host_functions: u32,
    functions: u32,
    globals: u32,
    element_segments: u32,
    data_segments: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} imported interfaces, {} host functions, {} functions, {} globals, {} element segments, {} data segments",
            self.imported_instances,
            self.host_functions,
            self.functions,
            self.globals,
            self.element_segments,
            self.data_segments
        )
    }
}

/// Validates a merged component and counts its parts.
pub fn check(component: &[u8]) -> Result<Counts> {
    // No proposal beyond WebAssembly 2.0, so that a host may switch the others off.
    Validator::new_with_features(WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL)
        .validate_all(component)
        .context("the component is not valid")?;
    let mut counts = Counts::default();
    let mut merged = None;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    // Types are no abilities: the records of the world's own functions stand here.
                    if import.ty.kind() == ComponentExternalKind::Type {
                        continue;
                    }
                    let name = import.name.name;
                    let known = name.starts_with("wasi:") || name.starts_with("cronbox:guest/");
                    ensure!(known, "the component imports `{name}`");
                    counts.imported_instances += 1;
                }
            }
            Payload::ModuleSection { unchecked_range: range, .. } => {
                let module = &component[range];
                if defines_memory(module)? && merged.replace(module).is_some() {
                    bail!("more than one module has a memory: the component is not merged");
                }
            }
            _ => {}
        }
    }
    check_module(merged.context("no module has a memory")?, &mut counts)?;
    Ok(counts)
}

fn defines_memory(module: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::MemorySection(section) = payload? {
            ensure!(section.count() == 1, "a module has {} memories", section.count());
            return Ok(true);
        }
    }
    Ok(false)
}

fn check_module(module: &[u8], counts: &mut Counts) -> Result<()> {
    let mut tables = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    // Anything else would be another module's, and known only when the component starts.
                    let function = matches!(import.ty, TypeRef::Func(_));
                    ensure!(function, "`{}` `{}` is imported and no function", import.module, import.name);
                    counts.host_functions += 1;
                }
            }
            Payload::FunctionSection(section) => counts.functions = section.count(),
            Payload::TableSection(section) => tables = section.count(),
            Payload::GlobalSection(section) => counts.globals = section.count(),
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    // The runtime prepares a table ahead only if nobody else can write to it.
                    ensure!(export.kind != ExternalKind::Table, "the table is exported as `{}`", export.name);
                }
            }
            Payload::StartSection { .. } => bail!("the module has a start function"),
            Payload::ElementSection(section) => {
                counts.element_segments = section.count();
                for (number, segment) in section.into_iter().enumerate() {
                    if let ElementKind::Active { offset_expr, .. } = segment?.kind {
                        ensure!(is_constant(&offset_expr)?, "the place of element segment {number} is not a constant");
                    }
                }
            }
            Payload::DataSection(section) => {
                counts.data_segments = section.count();
                for (number, segment) in section.into_iter().enumerate() {
                    if let DataKind::Active { offset_expr, .. } = segment?.kind {
                        ensure!(is_constant(&offset_expr)?, "the place of data segment {number} is not a constant");
                    }
                }
            }
            _ => {}
        }
    }
    ensure!(tables == 1, "the module has {tables} tables, not one");
    ensure!(
        counts.data_segments <= MAX_DATA_SEGMENTS,
        "the module has {} data segments; {MAX_DATA_SEGMENTS} are a lot already",
        counts.data_segments
    );
    Ok(())
}

fn is_constant(expression: &ConstExpr<'_>) -> Result<bool> {
    let mut operators = expression.get_operators_reader();
    let constant = matches!(operators.read()?, Operator::I32Const { .. });
    Ok(constant && matches!(operators.read()?, Operator::End))
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        Component, ConstExpr as Offset, ElementSection, Elements, ExportKind, ExportSection, GlobalSection, GlobalType,
        MemorySection, MemoryType, Module, ModuleSection, RefType, TableSection, TableType, ValType,
    };

    use super::*;

    /// A component of one module whose table is filled from `offset`.
    fn component(offset: &Offset, export: ExportKind) -> Vec<u8> {
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 4,
            maximum: None,
            shared: false,
        });
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut globals = GlobalSection::new();
        globals.global(GlobalType { val_type: ValType::I32, mutable: false, shared: false }, &Offset::i32_const(1));
        let mut exports = ExportSection::new();
        exports.export("it", export, 0);
        let mut elements = ElementSection::new();
        elements.active(None, offset, Elements::Functions([].as_slice().into()));
        let mut module = Module::new();
        module.section(&tables).section(&memories).section(&globals).section(&exports).section(&elements);
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        component.finish()
    }

    fn refusal(component: &[u8]) -> String {
        check(component).map_or_else(|error| format!("{error:#}"), |counts| counts.to_string())
    }

    #[test]
    fn one_module_with_its_own_memory_and_table_passes() -> Result<()> {
        let counts = check(&component(&Offset::i32_const(1), ExportKind::Memory))?;
        assert_eq!((counts.globals, counts.element_segments, counts.data_segments), (1, 1, 0));
        Ok(())
    }

    #[test]
    fn an_exported_table_is_refused() {
        assert!(
            refusal(&component(&Offset::i32_const(1), ExportKind::Table)).contains("the table is exported as `it`")
        );
    }

    #[test]
    fn an_unknown_place_in_the_table_is_refused() {
        // WebAssembly 2.0 does not know such places; the check is for the day a later version is allowed.
        let sentence = refusal(&component(&Offset::global_get(0), ExportKind::Memory));
        assert!(sentence.contains("element segment 0") || sentence.contains("not valid"), "{sentence}");
    }

    #[test]
    fn a_component_without_a_memory_is_refused() {
        assert!(refusal(&Component::new().finish()).contains("no module has a memory"));
    }
}
