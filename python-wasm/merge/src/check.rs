//! What must hold for a merged component: it starts fast, and asks the host for nothing new.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{ComponentExternalKind, ElementKind, ExternalKind, Parser, Payload, TypeRef, Validator, WasmFeatures};

use crate::image;
use crate::module::constant;

/// What a merged component is made of.
#[derive(Default)]
pub struct Counts {
    imported_instances: u32,
    host_functions: u32,
    functions: u32,
    globals: u32,
    element_segments: u32,
    /// Bytes of the initial memory.
    image: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} imported interfaces, {} host functions, {} functions, {} globals, {} element segments, {} bytes of initial memory",
            self.imported_instances,
            self.host_functions,
            self.functions,
            self.globals,
            self.element_segments,
            self.image
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
    let (mut merged, mut image) = (None, None);
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
                    let known =
                        ["wasi:", "cronbox:guest/", "cronbox:meter/"].iter().any(|known| name.starts_with(known));
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
            Payload::CustomSection(section) if section.name() == image::SECTION => {
                ensure!(image.replace(section.data()).is_none(), "the component has more than one image");
            }
            _ => {}
        }
    }
    let module = merged.context("no module has a memory")?;
    counts.image = image::length(image.context("the component has no image of its initial memory")?)?;
    check_module(module, &mut counts)?;
    Ok(counts)
}

/// The core module of a merged component that has the memory.
pub fn core_module(component: &[u8]) -> Result<&[u8]> {
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ModuleSection { unchecked_range: range, .. } = payload? {
            let module = &component[range];
            if defines_memory(module)? {
                return Ok(module);
            }
        }
    }
    bail!("no module has a memory")
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
                        ensure!(
                            constant(&offset_expr)?.is_some(),
                            "the place of element segment {number} is not a constant"
                        );
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let length = memory?.initial << 16;
                    ensure!(length == counts.image, "the memory has {length} bytes, its image {}", counts.image);
                }
            }
            Payload::DataSection(_) => bail!("the module has data segments beside its image"),
            _ => {}
        }
    }
    ensure!(tables == 1, "the module has {tables} tables, not one");
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        Component, ConstExpr as Offset, CustomSection, DataSection, ElementSection, Elements, ExportKind,
        ExportSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module, ModuleSection, RefType,
        TableSection, TableType, ValType,
    };

    use super::*;

    /// A component of one module whose table is filled from `offset`.
    fn component(offset: &Offset, export: ExportKind) -> Vec<u8> {
        with_image(offset, export, Some(64 << 10), &DataSection::new())
    }

    fn with_image(offset: &Offset, export: ExportKind, image: Option<usize>, data: &DataSection) -> Vec<u8> {
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
        if !data.is_empty() {
            module.section(data);
        }
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        if let Some(length) = image {
            let data = image::pack(&vec![0; length]).expect("packs").into();
            component.section(&CustomSection { name: image::SECTION.into(), data });
        }
        component.finish()
    }

    fn refusal(component: &[u8]) -> String {
        check(component).map_or_else(|error| format!("{error:#}"), |counts| counts.to_string())
    }

    #[test]
    fn one_module_with_its_own_memory_and_table_passes() -> Result<()> {
        let counts = check(&component(&Offset::i32_const(1), ExportKind::Memory))?;
        assert_eq!((counts.globals, counts.element_segments, counts.image), (1, 1, 64 << 10));
        Ok(())
    }

    #[test]
    fn the_initial_memory_is_in_the_image_alone() {
        let refusal =
            |image, data: &DataSection| refusal(&with_image(&Offset::i32_const(1), ExportKind::Memory, image, data));
        assert!(refusal(None, &DataSection::new()).contains("no image"));
        assert!(refusal(Some(1), &DataSection::new()).contains("65536 bytes, its image 1"));
        let mut data = DataSection::new();
        data.active(0, &Offset::i32_const(0), *b"a");
        assert!(refusal(Some(64 << 10), &data).contains("beside its image"));
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
