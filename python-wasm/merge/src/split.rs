//! Writes the core modules of a component, relinked so that they can be merged by name alone.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportSection, ImportSection};
use wasmparser::{ComponentExternalKind, ExternalKind, Payload};

use crate::component::{Component, Function};
use crate::module::{Edit, Module, rewrite};
use crate::resolve::{Resolver, Target};
use crate::trim::KEPT;

/// The interface that componentize-py adds for its own use before the snapshot.
pub const INITIALISER: &str = "exports";

/// The function of wasi-libc that forgets all handles, so that each is asked for again when it is used next, and the name
/// that it gets.
const FORGETS_HANDLES: &str = "__wasilibc_reset_preopens";
pub const REST: &str = "rest";

/// Exports that outlive the merge: the definition and the name it gets.
type Kept = HashMap<(u32, String), Vec<String>>;

/// The modules of a component in the order of their instantiation, by name, and how many host functions they import.
type Relinked = (Vec<(String, Vec<u8>)>, usize);

/// Writes `DIR/NN.wasm` for each module in the order of instantiation, and the list of them, `DIR/modules.txt`.
pub fn split(component: &[u8], dir: &Path) -> Result<String> {
    let (modules, host_functions) = relink_all(component)?;
    let mut list = String::new();
    for (number, (name, module)) in modules.iter().enumerate() {
        let file = format!("{number:02}.wasm");
        std::fs::write(dir.join(&file), module).with_context(|| format!("cannot write {file} in {}", dir.display()))?;
        list += &format!("{file} {name}\n");
    }
    std::fs::write(dir.join("modules.txt"), list).context("cannot write the list of modules")?;
    Ok(format!("{} modules, {host_functions} host functions", modules.len()))
}

fn relink_all(bytes: &[u8]) -> Result<Relinked> {
    let component = Component::parse(bytes)?;
    let resolver = Resolver::new(&component)?;
    let kept = kept_exports(&component, &resolver)?;
    let mut names = HashSet::new();
    let mut host = HashSet::new();
    let mut modules = Vec::new();
    for (instance, module) in resolver.instances() {
        let name = resolver.instance_name(instance);
        ensure!(names.insert(name.clone()), "the module {name} is instantiated twice");
        modules.push((name, relink(&resolver, instance, module, &kept, &mut host)?));
    }
    Ok((modules, host.len()))
}

/// Which definitions the component of one module needs: the functions of the world, and what their boundary uses.
fn kept_exports(component: &Component<'_>, resolver: &Resolver<'_>) -> Result<Kept> {
    let mut kept = Kept::new();
    let mut reallocs = HashSet::new();
    let mut memories = HashSet::new();
    let mut keep = |target: &Target, name: String| match target {
        Target::Definition { instance, name: definition } => {
            let names: &mut Vec<String> = kept.entry((*instance, definition.clone())).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
            Ok(())
        }
        Target::Host { .. } => bail!("the export `{name}` is a function of the host"),
    };
    for export in &component.exports {
        match export.kind {
            ComponentExternalKind::Func => {
                let Function::Lifted { core_function, options } = &component.functions[export.index as usize] else {
                    bail!("the export `{}` is not made of a core function", export.name);
                };
                keep(&resolver.item(ExternalKind::Func, *core_function)?, export.name.to_owned())?;
                if let Some(index) = options.post_return {
                    keep(&resolver.item(ExternalKind::Func, index)?, format!("cabi_post_{}", export.name))?;
                }
                if let Some(index) = options.realloc {
                    reallocs.insert(resolver.item(ExternalKind::Func, index)?);
                }
                if let Some(index) = options.memory {
                    memories.insert(resolver.item(ExternalKind::Memory, index)?);
                }
            }
            ComponentExternalKind::Instance if export.name == INITIALISER => {}
            ComponentExternalKind::Instance => {
                bail!(
                    "the component exports the interface `{}`; only functions of the world are known here",
                    export.name
                )
            }
            _ => {}
        }
    }
    ensure!(memories.len() == 1, "the exported functions use {} memories, not one", memories.len());
    ensure!(reallocs.len() <= 1, "the exported functions allocate with {} functions, not one", reallocs.len());
    for memory in &memories {
        keep(memory, "memory".to_owned())?;
    }
    for realloc in &reallocs {
        keep(realloc, "cabi_realloc".to_owned())?;
    }
    for (instance, module) in resolver.instances() {
        if let Some(export) =
            module.export(FORGETS_HANDLES).filter(|export| module.import(export.kind, export.index).is_none())
        {
            keep(&Target::Definition { instance, name: export.name.to_owned() }, REST.to_owned())?;
        }
    }
    Ok(kept)
}

/// Names each import after its definition and prefixes each export with its module: libraries export the same names.
fn relink(
    resolver: &Resolver<'_>,
    instance: u32,
    module: &Module<'_>,
    kept: &Kept,
    host: &mut HashSet<Target>,
) -> Result<Vec<u8>> {
    let own = resolver.instance_name(instance);
    rewrite(module.bytes, |payload, out| match payload {
        Payload::ImportSection(_) => {
            let mut imports = ImportSection::new();
            for import in &module.imports {
                let target = resolver.import(instance, import)?;
                let ty = RoundtripReencoder.entity_type(import.ty)?;
                match &target {
                    Target::Definition { instance, name } => {
                        let from = resolver.instance_name(*instance);
                        imports.import(&from, &prefixed(&from, name), ty);
                    }
                    Target::Host { interface, name } => {
                        imports.import(interface, name, ty);
                        host.insert(target);
                    }
                }
            }
            out.section(&imports);
            Ok(Edit::Written)
        }
        Payload::ExportSection(_) => {
            let mut exports = ExportSection::new();
            for export in &module.exports {
                let kind = RoundtripReencoder.export_kind(export.kind)?;
                exports.export(&prefixed(&own, export.name), kind, export.index);
                for name in kept.get(&(instance, export.name.to_owned())).into_iter().flatten() {
                    exports.export(&format!("{KEPT}{name}"), kind, export.index);
                }
            }
            out.section(&exports);
            Ok(Edit::Written)
        }
        // Function names make traps readable; the rest described libraries that no longer exist.
        Payload::CustomSection(section) if section.name() != "name" => Ok(Edit::Drop),
        _ => Ok(Edit::Keep),
    })
}

fn prefixed(module: &str, name: &str) -> String {
    format!("{module}|{name}")
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ConstExpr, ExportKind, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType,
        RefType, TableSection, TableType, TypeSection, ValType,
    };
    use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    use super::*;
    use crate::{check::check, trim::trim, wrap::wrap};

    const WIT: &str = "
        package cronbox:guest@0.1.0;
        interface host {
            resource channel { open: static func(name: string) -> channel; }
            call: func(request: string) -> string;
        }
        interface more { go: func(); }
        world sandbox { import host; export run: func(request: string) -> string; }
        world wide { include sandbox; export more; }
    ";
    const HOST: &str = "cronbox:guest/host@0.1.0";
    const I32: ValType = ValType::I32;

    /// A module as a library's compiler would leave it, for a world of the text above.
    fn module(world: &str, exports: &[(&str, u32)]) -> Result<Vec<u8>> {
        let mut types = TypeSection::new();
        for (parameters, result) in [(3, false), (2, true), (1, false), (4, true), (0, false)] {
            types.ty().function(vec![I32; parameters], result.then_some(I32));
        }
        let mut imports = ImportSection::new();
        for (name, ty) in [("call", 0), ("[static]channel.open", 1), ("[resource-drop]channel", 2)] {
            imports.import(HOST, name, wasm_encoder::EntityType::Function(ty));
        }
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        for ty in [1, 2, 3, 4] {
            functions.function(ty);
            let mut body = wasm_encoder::Function::new([]);
            body.instructions().unreachable().end();
            code.function(&body);
        }
        let mut tables = TableSection::new();
        let element_type = RefType::FUNCREF;
        tables.table(TableType { element_type, table64: false, minimum: 1, maximum: None, shared: false });
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut globals = GlobalSection::new();
        let ty = GlobalType { val_type: I32, mutable: false, shared: false };
        globals.global(ty, &ConstExpr::i32_const(1));
        let mut section = ExportSection::new();
        section.export("memory", ExportKind::Memory, 0);
        for (name, function) in exports {
            section.export(name, ExportKind::Func, *function);
        }
        let mut module = wasm_encoder::Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
        module.section(&globals).section(&section).section(&code);
        let mut module = module.finish();
        let mut resolve = Resolve::default();
        let package = resolve.push_str("world.wit", WIT)?;
        let world = resolve.select_world(&[package], Some(world))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&module)?.encode()
    }

    fn sandbox() -> Result<Vec<u8>> {
        module("sandbox", &[("run", 3), ("cabi_post_run", 4), ("cabi_realloc", 5)])
    }

    #[test]
    fn imports_behind_the_shim_get_the_names_of_the_host() -> Result<()> {
        let (modules, host_functions) = relink_all(&sandbox()?)?;
        assert_eq!(host_functions, 3);
        let [(name, module)] = modules.as_slice() else { bail!("{} modules", modules.len()) };
        let module = Module::parse(module)?;
        let imports: Vec<_> = module.imports.iter().map(|import| (import.module, import.name)).collect();
        assert_eq!(imports, [(HOST, "call"), (HOST, "[static]channel.open"), (HOST, "[resource-drop]channel")]);
        for kept in ["kept:run", "kept:cabi_post_run", "kept:cabi_realloc", "kept:memory", &format!("{name}|run")] {
            assert!(module.export(kept).is_some(), "{kept}");
        }
        Ok(())
    }

    #[test]
    fn a_component_comes_apart_and_together_again() -> Result<()> {
        let before = sandbox()?;
        let (modules, _) = relink_all(&before)?;
        let after = wrap(&before, trim(&modules[0].1)?)?;
        assert_eq!(relink_all(&after)?, (modules.clone(), 3));
        let again = wrap(&after, trim(&modules[0].1)?)?;
        assert_eq!(check(&again)?.to_string(), check(&after)?.to_string());
        Ok(())
    }

    #[test]
    fn an_exported_interface_is_refused_by_name() -> Result<()> {
        let exports = [("run", 3), ("cabi_post_run", 4), ("cabi_realloc", 5), ("cronbox:guest/more@0.1.0#go", 6)];
        let refusal = relink_all(&module("wide", &exports)?).map_err(|error| format!("{error:#}"));
        assert!(refusal.is_err_and(|sentence| sentence.contains("`cronbox:guest/more@0.1.0`")));
        Ok(())
    }
}
