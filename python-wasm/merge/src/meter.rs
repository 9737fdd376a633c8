//! Puts a meter into the merged core module.
//!
//! The module counts its own work, in units of fuel. A global, the slice, holds how much is left until the host is asked; each
//! function and each pass of a loop takes a fixed price off it at its start, which pays for the work until the next price
//! is taken. When the slice is used up, the next *look* asks the host. The host knows the total: it ends the run, or lets
//! other runs go first and gives the next slice. Each loop looks, and a function of each cycle of calls, so nothing runs
//! for long without a look.
//!
//! - What a pass costs is the expected weight of its operators (`estimate`), and where a charge stands is decided in `plan`.
//! - Around the look of a loop, the locals that it carries are kept in globals (`carried`): the call of the host may change all
//!   registers, and what lives across it would be kept out of them in the loop itself.
//! - `memory.copy` and `memory.fill` go through functions that charge each byte and work in chunks; `memory.grow` charges
//!   each page (`own`).
//! - A call of the host goes through a function that first settles what the calls before it cost: what the host does then
//!   knows exactly what is left.
//! - An exported function begins with the slice that the host has for it, and tells at its end what is left. While the host passes data it calls
//!   `cabi_realloc`, which cannot call the host: such functions have a slice of their own, and what they use is taken off
//!   afterwards.
//!
//! The same module counts the same on every machine: nothing depends on time.
//!
//! `audit` checks the result, from the finished module alone.

mod body;
mod carried;
mod estimate;
mod layout;
mod own;
mod plan;
mod ways;

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    BranchHints, CodeSection, ConstExpr, ElementSection, EntityType, ExportKind, ExportSection, FunctionSection,
    GlobalSection, GlobalType, ImportSection, NameMap, NameSection, TypeSection, ValType,
};
use wasmparser::{KnownCustom, Name, Payload};

use self::body::Renumber;
use self::layout::{KEPT, KEPT_OF_A_TYPE, Layout};
use crate::code::{Code, Imported};
use crate::module::{Edit, rewrite};

/// What the host and the meter offer each other.
pub const WIT: &str = "package cronbox:meter@0.1.0;
interface fuel {
    settle: func(left: s64) -> s64;
    refuel: func(left: s64) -> s64;
}
world metered {
    import fuel;
}
";
/// The interface of the host's two functions, as imports name it.
pub const FUEL: &str = "cronbox:meter/fuel@0.1.0";
/// The slice before the host has given one: nothing that the host does not begin is paid for.
const UNLIMITED: i64 = 1 << 62;

/// A module with a meter, and a line about it.
pub fn meter(module: &[u8]) -> Result<(Vec<u8>, String)> {
    let code = Code::read(module)?;
    ensure!(code.imports.iter().all(|import| import.module != FUEL), "the module has a meter already");
    let charged: HashSet<u32> = code.exports.iter().map(|export| export.function).collect();
    let charges = plan::plan(&code, &charged)?;
    let layout = Layout {
        imported: u32::try_from(code.imports.len())?,
        defined: u32::try_from(code.functions.len())?,
        globals: code.globals,
    };
    let mut bodies = CodeSection::new();
    let mut hints = BranchHints::new();
    for ((at, function), charges) in (0..).zip(&code.functions).zip(&charges) {
        let parameters = code.types.get(function.ty as usize).context("a function has no type")?.params();
        let (body, hinted) = body::body(function, parameters, charges, layout)?;
        bodies.function(&body);
        if !hinted.is_empty() {
            hints.function_hints(layout.function(layout.imported + at), hinted);
        }
    }
    let types = own_functions(&code, layout, &mut bodies)?;
    let mut bodies = Some((hints, bodies));
    let metered = rewrite(module, |payload, out| edit(payload, out, &code, layout, &types, &mut bodies))?;
    let report = format!(
        "{} functions, of which {} pay at their start and {} look there; {} loops; {} more charges on long ways",
        charges.len(),
        charges.iter().filter(|charges| charges.entry.is_some()).count(),
        charges.iter().filter(|charges| charges.entry.is_some_and(|entry| entry.looks)).count(),
        charges.iter().map(|charges| charges.loops.len()).sum::<usize>(),
        charges.iter().map(|charges| charges.extra.len()).sum::<usize>(),
    );
    Ok((metered, report))
}

/// Types that the meter adds, behind those of the module.
struct OwnTypes {
    /// Of each function that was added, in their order.
    functions: Vec<u32>,
    first: u32,
}

/// The types that are added, as places behind the module's: `() -> ()`, `(i64) -> i64`, three and one `i32`.
const NOTHING: u32 = 0;
const ASK: u32 = 1;
const THREE: u32 = 2;
const ONE: u32 = 3;

/// Writes the bodies of the functions that are added, in the order of the layout, and returns their types.
fn own_functions(code: &Code<'_>, layout: Layout, bodies: &mut CodeSection) -> Result<OwnTypes> {
    let first = u32::try_from(code.types.len())?;
    bodies.function(&own::look(layout)).function(&own::copy(layout)).function(&own::fill(layout));
    bodies.function(&own::grow(layout));
    let mut functions: Vec<u32> = [NOTHING, THREE, THREE, ONE].map(|ty| first + ty).to_vec();
    for (index, import) in (0..).zip(&code.imports) {
        let parameters = u32::try_from(code.type_of(index)?.params().len())?;
        bodies.function(&own::paid_import(layout, index, parameters, refills(import)));
        functions.push(import.ty);
    }
    for export in &code.exports {
        let at = code.defined(export.function).context("an import is exported")?;
        let parameters = u32::try_from(code.type_of(export.function)?.params().len())?;
        let inner = layout.function(export.function);
        // The canonical ABI's own functions are called while the host passes data.
        let gate = if export.name.starts_with("cabi_") { own::quiet_gate } else { own::gate };
        bodies.function(&gate(layout, inner, parameters));
        functions.push(code.functions.get(at).context("a function has no type")?.ty);
    }
    Ok(OwnTypes { functions, first })
}

/// Whether the host gives other fuel in this call: from here on the script is counted.
fn refills(import: &Imported<'_>) -> bool {
    import.module.starts_with("cronbox:guest/host@") && import.name == "loaded"
}

/// Writes the sections that change.
fn edit(
    payload: Payload<'_>,
    out: &mut wasm_encoder::Module,
    code: &Code<'_>,
    layout: Layout,
    types: &OwnTypes,
    bodies: &mut Option<(BranchHints, CodeSection)>,
) -> Result<Edit> {
    let mut renumber = Renumber(layout);
    match payload {
        Payload::TypeSection(section) => {
            let mut written = TypeSection::new();
            renumber.parse_type_section(&mut written, section)?;
            written.ty().function([], []);
            written.ty().function([ValType::I64], [ValType::I64]);
            written.ty().function([ValType::I32; 3], []);
            written.ty().function([ValType::I32], [ValType::I32]);
            out.section(&written);
        }
        Payload::ImportSection(section) => {
            let mut written = ImportSection::new();
            renumber.parse_import_section(&mut written, section)?;
            for name in ["settle", "refuel"] {
                written.import(FUEL, name, EntityType::Function(types.first + ASK));
            }
            out.section(&written);
        }
        Payload::FunctionSection(section) => {
            let mut written = FunctionSection::new();
            renumber.parse_function_section(&mut written, section)?;
            types.functions.iter().for_each(|ty| _ = written.function(*ty));
            out.section(&written);
        }
        Payload::GlobalSection(section) => {
            let mut written = GlobalSection::new();
            renumber.parse_global_section(&mut written, section)?;
            let ty = |val_type| GlobalType { val_type, mutable: true, shared: false };
            written.global(ty(ValType::I64), &ConstExpr::i64_const(UNLIMITED));
            written.global(ty(ValType::I32), &ConstExpr::i32_const(0));
            for kept in KEPT {
                let zero = match kept {
                    ValType::I64 => ConstExpr::i64_const(0),
                    ValType::F64 => ConstExpr::f64_const(0.0.into()),
                    _ => ConstExpr::i32_const(0),
                };
                (0..KEPT_OF_A_TYPE).for_each(|_| _ = written.global(ty(kept), &zero));
            }
            out.section(&written);
        }
        Payload::ExportSection(section) => {
            let mut written = ExportSection::new();
            let mut gates = 0..;
            for export in section {
                let export = export?;
                let kind = renumber.export_kind(export.kind)?;
                let index = match kind {
                    ExportKind::Func => layout.gate(gates.next().context("too many exports")?),
                    _ => export.index,
                };
                written.export(export.name, kind, index);
            }
            out.section(&written);
        }
        Payload::ElementSection(section) => {
            let mut written = ElementSection::new();
            renumber.parse_element_section(&mut written, section)?;
            out.section(&written);
        }
        Payload::CodeSectionStart { .. } => {
            let (hints, written) = bodies.take().context("the module has two code sections")?;
            out.section(&hints).section(&written);
        }
        Payload::CustomSection(section) => match section.as_known() {
            KnownCustom::Name(names) => _ = out.section(&renamed(names, code, layout)?),
            KnownCustom::BranchHints(_) => {}
            _ => return Ok(Edit::Keep),
        },
        _ => return Ok(Edit::Keep),
    }
    Ok(Edit::Written)
}

/// The names of functions, under their new indexes. Other names are left out.
fn renamed(names: wasmparser::NameSectionReader<'_>, code: &Code<'_>, layout: Layout) -> Result<NameSection> {
    let mut map = NameMap::new();
    for part in names {
        let Name::Function(names) = part? else { continue };
        for naming in names {
            let naming = naming?;
            let index = if code.defined(naming.index).is_none() { naming.index } else { layout.function(naming.index) };
            map.append(index, naming.name);
        }
    }
    let own = ["look", "copy", "fill", "grow"];
    let own = [layout.look(), layout.copy(), layout.fill(), layout.grow()].into_iter().zip(own);
    own.for_each(|(index, name)| map.append(index, &format!("meter:{name}")));
    let mut section = NameSection::new();
    section.functions(&map);
    Ok(section)
}
