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

impl Meter {
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
        ensure!(slice != quiet, "the meter has one global for two things");
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
                if [meter.slice, meter.quiet].contains(global_index) =>
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
    let (slice, look) = (meter.slice, meter.look);
    let is_slice = |index: &u32| *index == slice;
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
            Operator::Call { function_index },
            Operator::End,
            ..,
        ] if is_slice(global_index) && left == same && *function_index == look => Some((*value, true, 11)),
        _ => None,
    }
}
