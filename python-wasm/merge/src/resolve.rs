//! From an import of a core module to what is behind it, through every alias, bag and re-export.

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{ExternalKind, Import};

use crate::component::{Component, CoreInstance, CoreItem, Options};
use crate::module::{Module, import_kind};

/// The end of the chain behind an import.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An export of a core instance whose module defines it.
    Definition { instance: u32, name: String },
    /// A function of the host, under the name that the component imports it by.
    Host { interface: String, name: String },
}

/// Follows imports through a component.
pub struct Resolver<'a> {
    component: &'a Component<'a>,
    shim: Shim,
}

/// The two modules that let libraries call functions whose lowering needs the libraries' own memory: the shim is
/// instantiated first and exports functions that call through its table, the fixup fills the table at the end.
struct Shim {
    /// No component needs them who has no such functions.
    shim: Option<u32>,
    fixup: Option<u32>,
}

impl<'a> Resolver<'a> {
    /// Finds the shim, and checks that every function boundary is one that the merged module can have.
    pub fn new(component: &'a Component<'a>) -> Result<Self> {
        let mut shim = Shim { shim: None, fixup: None };
        for (instance, module) in instantiated(component) {
            if module.export("$imports").is_some() {
                ensure!(shim.shim.replace(instance).is_none(), "two modules export `$imports`");
            }
            if module.imports.iter().any(|import| import.module.is_empty() && import.name == "$imports") {
                ensure!(shim.fixup.replace(instance).is_none(), "two modules import `$imports`");
            }
        }
        ensure!(
            shim.shim.is_some() == shim.fixup.is_some(),
            "the component has a shim without a fixup, or a fixup alone"
        );
        Ok(Self { component, shim })
    }

    /// The instances whose code is wanted, in the order of their instantiation.
    pub fn instances(&self) -> impl Iterator<Item = (u32, &'a Module<'a>)> {
        let left_out = [self.shim.shim, self.shim.fixup];
        instantiated(self.component).filter(move |(instance, _)| !left_out.contains(&Some(*instance)))
    }

    /// What an import of an instance's module is.
    pub fn import(&self, instance: u32, import: &Import<'_>) -> Result<Target> {
        let sentence = || {
            format!(
                "the import `{}` `{}` of the module {} cannot be resolved",
                import.module,
                import.name,
                self.instance_name(instance)
            )
        };
        let argument = match &self.component.core_instances[instance as usize] {
            CoreInstance::Instantiated { arguments, .. } => arguments.get(import.module).copied(),
            CoreInstance::Bag(_) => None,
        };
        let argument = argument.context("nothing is passed under this name").with_context(sentence)?;
        self.export(argument, import.name, import_kind(import.ty)).with_context(sentence)
    }

    /// What an entry of a core index space is.
    pub fn item(&self, kind: ExternalKind, index: u32) -> Result<Target> {
        match self.component.core_item(kind, index)? {
            CoreItem::Export { instance, name } => self.export(*instance, name, kind),
            CoreItem::Host { interface, name, options } => {
                self.check_lowering(options).with_context(|| format!("in the import `{interface}` `{name}`"))?;
                Ok(Target::Host { interface: (*interface).to_owned(), name: name.clone() })
            }
        }
    }

    /// The name of an instance's module.
    pub fn instance_name(&self, instance: u32) -> String {
        match &self.component.core_instances[instance as usize] {
            CoreInstance::Instantiated { module, .. } => self.component.module_name(*module),
            CoreInstance::Bag(_) => format!("instance{instance}"),
        }
    }

    fn export(&self, instance: u32, name: &str, kind: ExternalKind) -> Result<Target> {
        if self.shim.shim == Some(instance) {
            return self.behind_shim(name);
        }
        let module = match &self.component.core_instances[instance as usize] {
            CoreInstance::Bag(items) => {
                let (kind, index) = items.get(name).with_context(|| format!("no item is called `{name}`"))?;
                return self.item(*kind, *index);
            }
            CoreInstance::Instantiated { module, .. } => &self.component.modules[*module as usize],
        };
        let export = module
            .export(name)
            .with_context(|| format!("{} does not export `{name}`", self.instance_name(instance)))?;
        ensure!(export.kind == kind, "`{name}` is a {:?}, not a {kind:?}", export.kind);
        match module.import(export.kind, export.index) {
            Some(import) => self.import(instance, import),
            None => Ok(Target::Definition { instance, name: name.to_owned() }),
        }
    }

    /// The shim's function `name` calls what the fixup is given under the same name.
    fn behind_shim(&self, name: &str) -> Result<Target> {
        let fixup = self.shim.fixup.context("there is no fixup")?;
        let CoreInstance::Instantiated { arguments, .. } = &self.component.core_instances[fixup as usize] else {
            bail!("the fixup is not a module");
        };
        let arguments = arguments.get("").context("the fixup is given no functions")?;
        let CoreInstance::Bag(items) = &self.component.core_instances[*arguments as usize] else {
            bail!("the fixup's functions come from a module");
        };
        let (kind, index) = items.get(name).with_context(|| format!("the fixup is given no function `{name}`"))?;
        ensure!(*kind == ExternalKind::Func, "`{name}` of the shim is no function");
        self.item(*kind, *index)
    }

    /// A component of one module has one `cabi_realloc` for all its imports. The libraries' own end in the same
    /// allocator, as long as they are called that; a library that brought another heap would be caught here.
    fn check_lowering(&self, options: &Options) -> Result<()> {
        if let Some(index) = options.realloc {
            match self.item(ExternalKind::Func, index)? {
                Target::Definition { name, .. } if name == "cabi_realloc" => {}
                Target::Definition { instance, name } => {
                    bail!("memory comes from `{name}` of {}, not from a cabi_realloc", self.instance_name(instance))
                }
                Target::Host { .. } => bail!("memory comes from the host"),
            }
        }
        Ok(())
    }
}

fn instantiated<'a>(component: &'a Component<'a>) -> impl Iterator<Item = (u32, &'a Module<'a>)> {
    (0..).zip(&component.core_instances).filter_map(|(index, instance)| match instance {
        CoreInstance::Instantiated { module, .. } => Some((index, &component.modules[*module as usize])),
        CoreInstance::Bag(_) => None,
    })
}
