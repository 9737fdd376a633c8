//! Finds the exact sequences of prices in a function.

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{BlockType, Operator};

use super::shapes;
use crate::code::Code;

/// The module from which the meter's two functions of the host are imported.
const HOST: &str = "cronbox:meter/fuel@0.1.0";

/// What the meter is made of in this module.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    pub settle: u32,
    pub refuel: u32,
    pub slice: u32,
    pub quiet: u32,
    pub look: u32,
}

/// A local and the global in which it is kept during a look.
type Kept = (u32, u32);

impl Meter {
    /// Whether a global is one of the meter's own. Those behind the first two keep locals during looks.
    pub fn owns(&self, global: u32) -> bool {
        global == self.slice || global >= self.quiet
    }

    /// Whether locals are kept in a global during looks.
    fn keeps(&self, global: u32) -> bool {
        global > self.quiet
    }

    /// Finds the imports by their names, and the only function that calls `refuel`, whose globals are the meter's.
    pub fn find(code: &Code<'_>) -> Result<Self> {
        let import = |name: &str| {
            let mut found = (0..).zip(&code.imports).filter(|(_, import)| import.module == HOST && import.name == name);
            let first = found.next().with_context(|| format!("`{name}` is not imported: the module has no meter"))?;
            ensure!(found.next().is_none(), "`{name}` is imported twice");
            Ok(first.0)
        };
        let (settle, refuel) = (import("settle")?, import("refuel")?);
        let first = u32::try_from(code.imports.len())?;
        let calls = |operator: &Operator<'_>| matches!(operator, Operator::Call { function_index } if *function_index == refuel);
        let mut found = (first..).zip(&code.functions).filter(|(_, function)| function.operators.iter().any(calls));
        let (look, function) = found.next().context("`refuel` is called nowhere")?;
        ensure!(found.next().is_none(), "`refuel` is called in two functions");
        let (slice, quiet) =
            shapes::globals_of_look(&function.operators, refuel).context("the look is not as it must be")?;
        ensure!(slice < quiet, "the meter's two globals are not in order");
        Ok(Meter { settle, refuel, slice, quiet, look })
    }
}

/// A part of a function.
#[derive(Debug)]
pub enum Event<'a> {
    /// A price is taken off the slice; with a look, the host is asked when nothing is left.
    Price { units: i64, looks: bool },
    /// Any other operator.
    Plain(Operator<'a>),
}

impl Event<'_> {
    /// The function that is called here by name.
    pub fn called(&self) -> Option<u32> {
        match self {
            Event::Plain(Operator::Call { function_index }) => Some(*function_index),
            _ => None,
        }
    }
}

/// Splits a function into prices and other operators. An error when anything else names the meter's globals.
pub fn events<'a>(operators: &[Operator<'a>], meter: &Meter) -> Result<Vec<Event<'a>>> {
    let mut events = Vec::new();
    let mut rest = operators;
    while let Some((first, behind)) = rest.split_first() {
        match first {
            Operator::GlobalGet { global_index } if *global_index == meter.slice => {
                let (units, looks, length) = price(rest, meter).context("what reads the slice is no price")?;
                ensure!(units > 0, "a price of {units}");
                events.push(Event::Price { units, looks });
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index }
                if meter.owns(*global_index) =>
            {
                bail!("a global of the meter is named by {first:?}");
            }
            Operator::Call { function_index } if *function_index == meter.look => bail!("a look without a price"),
            _ => events.push(Event::Plain(first.clone())),
        }
        rest = behind;
    }
    Ok(events)
}

/// Reads a price: its units, whether it looks, and how many operators it has.
fn price(operators: &[Operator<'_>], meter: &Meter) -> Option<(i64, bool, usize)> {
    let is_slice = |index: &u32| *index == meter.slice;
    match operators {
        [
            Operator::GlobalGet { .. },
            Operator::I64Const { value },
            Operator::I64Sub,
            Operator::GlobalSet { global_index },
            ..,
        ] if is_slice(global_index) => Some((*value, false, 4)),
        [
            Operator::GlobalGet { .. },
            Operator::I64Const { value },
            Operator::I64Sub,
            Operator::LocalTee { local_index: left },
            Operator::GlobalSet { global_index },
            Operator::LocalGet { local_index: same },
            Operator::I64Const { value: 0 },
            Operator::I64LtS,
            Operator::If { blockty: BlockType::Empty },
            look @ ..,
        ] if is_slice(global_index) && left == same => Some((*value, true, 9 + look_with_kept(look, meter)?)),
        _ => None,
    }
}

/// Reads a look in which locals are kept in globals, each in one of its own, and come back from there. Returns how many operators
/// it has.
fn look_with_kept(operators: &[Operator<'_>], meter: &Meter) -> Option<usize> {
    let mut kept: Vec<Kept> = Vec::new();
    let mut rest = operators;
    while let [Operator::LocalGet { local_index }, Operator::GlobalSet { global_index }, behind @ ..] = rest {
        let in_order = kept.last().is_none_or(|(_, last)| last < global_index);
        if !in_order || !meter.keeps(*global_index) {
            return None;
        }
        kept.push((*local_index, *global_index));
        rest = behind;
    }
    let [Operator::Call { function_index }, behind @ ..] = rest else { return None };
    if *function_index != meter.look {
        return None;
    }
    let (back, behind) = behind.split_at_checked(2 * kept.len())?;
    let comes_back = |(pair, kept): (&[Operator<'_>], &Kept)| {
        matches!(pair, [Operator::GlobalGet { global_index }, Operator::LocalSet { local_index }]
            if (*local_index, *global_index) == *kept)
    };
    let all = back.chunks_exact(2).zip(&kept).all(comes_back);
    (all && matches!(behind, [Operator::End, ..])).then_some(2 + 4 * kept.len())
}
