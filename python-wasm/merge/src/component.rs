//! The wiring of a component: its index spaces, each entry with where it comes from.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentName, ComponentTypeRef,
    ExternalKind, Instance, KnownCustom, Parser, Payload, Validator, WasmFeatures,
};

use crate::module::Module;

/// A core instance.
pub enum CoreInstance<'a> {
    /// A module, instantiated with these instances as its arguments.
    Instantiated { module: u32, arguments: HashMap<&'a str, u32> },
    /// Loose items under new names.
    Bag(HashMap<&'a str, (ExternalKind, u32)>),
}

/// Where an entry of a core index space comes from.
pub enum CoreItem<'a> {
    /// An export of a core instance.
    Export { instance: u32, name: &'a str },
    /// A function of the host. `name` is a function's, or a resource's with `[resource-drop]` before it.
    Host { interface: &'a str, name: String, options: Options },
}

/// Where a component function comes from.
#[derive(Clone)]
pub enum Function<'a> {
    /// A function of an imported interface, or of the world itself (`$root`).
    Imported { interface: &'a str, name: &'a str },
    /// A core function, made callable from outside.
    Lifted { core_function: u32, options: Options },
    /// Part of a nested component; these only repackage what is exported.
    Elsewhere,
}

/// How values cross the boundary of a function.
#[derive(Clone, Default)]
pub struct Options {
    pub memory: Option<u32>,
    pub realloc: Option<u32>,
    pub post_return: Option<u32>,
}

/// An export of the component.
pub struct Export<'a> {
    pub name: &'a str,
    pub kind: ComponentExternalKind,
    pub index: u32,
}

/// A component as its index spaces. Nested components are left out: none of them holds code here.
#[derive(Default)]
pub struct Component<'a> {
    pub modules: Vec<Module<'a>>,
    pub core_instances: Vec<CoreInstance<'a>>,
    pub functions: Vec<Function<'a>>,
    pub exports: Vec<Export<'a>>,
    /// By the number of their kind in the format.
    core_items: [Vec<CoreItem<'a>>; 5],
    module_names: HashMap<u32, &'a str>,
    /// The names of imported instances; others have none.
    instances: Vec<Option<&'a str>>,
    /// Interface and name of types that come from imported instances.
    types: Vec<Option<(&'a str, &'a str)>>,
}

impl<'a> Component<'a> {
    /// Reads a component.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        // Valid indices are then a given for all that follows.
        Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).context("the component is not valid")?;
        let mut component = Self::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            match payload {
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    if depth == 0 {
                        component.modules.push(Module::parse(&bytes[range])?);
                    }
                    depth += 1;
                }
                Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) if depth > 0 => depth -= 1,
                payload if depth == 0 => component.read(payload)?,
                _ => {}
            }
        }
        Ok(component)
    }

    /// The name of a core module, for export prefixes and messages.
    pub fn module_name(&self, module: u32) -> String {
        match self.module_names.get(&module) {
            Some(name) => (*name).to_owned(),
            None => format!("module{module}"),
        }
    }

    /// An entry of a core index space.
    pub fn core_item(&self, kind: ExternalKind, index: u32) -> Result<&CoreItem<'a>> {
        self.core_items[space(kind)]
            .get(index as usize)
            .with_context(|| format!("core {kind:?} {index} does not exist"))
    }

    fn read(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.core_instances.push(core_instance(instance?));
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.read_alias(alias?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.read_canonical(function?)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    self.read_import(import.name.name, import.ty)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.read_export(Export { name: export.name.name, kind: export.kind, index: export.index })?;
                }
            }
            Payload::ComponentTypeSection(section) => {
                for _ in section {
                    self.types.push(None);
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for _ in section {
                    self.instances.push(None);
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::ComponentName(names) = section.as_known() {
                    for name in names {
                        if let ComponentName::CoreModules(names) = name? {
                            for name in names {
                                let name = name?;
                                self.module_names.insert(name.index, name.name);
                            }
                        }
                    }
                }
            }
            Payload::ComponentStartSection { .. } => bail!("the component has a start function: it would be lost"),
            _ => {}
        }
        Ok(())
    }

    fn read_alias(&mut self, alias: ComponentAlias<'a>) -> Result<()> {
        match alias {
            ComponentAlias::CoreInstanceExport { kind, instance_index: instance, name } => {
                self.core_items[space(kind)].push(CoreItem::Export { instance, name });
            }
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                let interface = self.instances[instance_index as usize];
                match kind {
                    ComponentExternalKind::Func => self.functions.push(match interface {
                        Some(interface) => Function::Imported { interface, name },
                        None => Function::Elsewhere,
                    }),
                    ComponentExternalKind::Type => self.types.push(interface.map(|interface| (interface, name))),
                    ComponentExternalKind::Instance => self.instances.push(None),
                    kind => bail!("`{name}` is aliased as a {}, which is not known here", kind.desc()),
                }
            }
            ComponentAlias::Outer { .. } => bail!("the component refers to something outside itself"),
        }
        Ok(())
    }

    fn read_canonical(&mut self, function: CanonicalFunction) -> Result<()> {
        match function {
            CanonicalFunction::Lift { core_func_index: core_function, options, .. } => {
                let options = read_options(&options).context("in a function that the component exports")?;
                self.functions.push(Function::Lifted { core_function, options });
            }
            CanonicalFunction::Lower { func_index, options } => {
                let Function::Imported { interface, name } = self.functions[func_index as usize] else {
                    bail!("component function {func_index} is lowered, but is not an import");
                };
                let options =
                    read_options(&options).with_context(|| format!("in the import `{interface}` `{name}`"))?;
                self.push_core_function(CoreItem::Host { interface, name: name.to_owned(), options });
            }
            CanonicalFunction::ResourceDrop { resource } => {
                let Some((interface, name)) = self.types[resource as usize] else {
                    bail!("type {resource} is dropped, but is not an imported resource");
                };
                let name = format!("[resource-drop]{name}");
                self.push_core_function(CoreItem::Host { interface, name, options: Options::default() });
            }
            other => bail!("the canonical function {other:?} is not known here"),
        }
        Ok(())
    }

    fn read_import(&mut self, name: &'a str, ty: ComponentTypeRef) -> Result<()> {
        match ty.kind() {
            ComponentExternalKind::Instance => self.instances.push(Some(name)),
            ComponentExternalKind::Func => self.functions.push(Function::Imported { interface: "$root", name }),
            ComponentExternalKind::Type => self.types.push(Some(("$root", name))),
            kind => bail!("the import `{name}` is a {}, which is not known here", kind.desc()),
        }
        Ok(())
    }

    /// An export also makes a new entry in the index space of its kind.
    fn read_export(&mut self, export: Export<'a>) -> Result<()> {
        match export.kind {
            ComponentExternalKind::Func => self.functions.push(self.functions[export.index as usize].clone()),
            ComponentExternalKind::Type => self.types.push(self.types[export.index as usize]),
            ComponentExternalKind::Instance => self.instances.push(self.instances[export.index as usize]),
            kind => bail!("the export `{}` is a {}, which is not known here", export.name, kind.desc()),
        }
        self.exports.push(export);
        Ok(())
    }

    fn push_core_function(&mut self, item: CoreItem<'a>) {
        self.core_items[space(ExternalKind::Func)].push(item);
    }
}

fn space(kind: ExternalKind) -> usize {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => 0,
        ExternalKind::Table => 1,
        ExternalKind::Memory => 2,
        ExternalKind::Global => 3,
        ExternalKind::Tag => 4,
    }
}

fn core_instance(instance: Instance<'_>) -> CoreInstance<'_> {
    match instance {
        Instance::Instantiate { module_index: module, args } => {
            let arguments = args.iter().map(|argument| (argument.name, argument.index)).collect();
            CoreInstance::Instantiated { module, arguments }
        }
        Instance::FromExports(exports) => {
            CoreInstance::Bag(exports.iter().map(|export| (export.name, (export.kind, export.index))).collect())
        }
    }
}

/// Refuses what the component made of the merged module would do in another way.
fn read_options(options: &[CanonicalOption]) -> Result<Options> {
    let mut read = Options::default();
    for option in options {
        match option {
            CanonicalOption::UTF8 => {}
            CanonicalOption::Memory(index) => read.memory = Some(*index),
            CanonicalOption::Realloc(index) => read.realloc = Some(*index),
            CanonicalOption::PostReturn(index) => read.post_return = Some(*index),
            other => bail!("the canonical option {other:?} is not known here"),
        }
    }
    Ok(read)
}
