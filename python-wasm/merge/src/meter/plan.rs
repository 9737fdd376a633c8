//! What is charged where.

use std::collections::HashSet;

use anyhow::{Context, Result};
use wasmparser::Operator;

use super::estimate::passes;
use super::ways::Ways;
use crate::code::{Code, is_work};

/// Units for a weight of one. Chosen so that a second of CPU has about as many units as the documentation says
/// (`FUEL_PER_SECOND` in the runtime).
const UNITS: f64 = 1.5;
/// A unit pays for at most so many operators, whichever way is taken.
const OPERATORS_A_UNIT: i64 = 64;
/// The longest way through a function that its callers pay for, in operators.
const LONGEST_FREE: i64 = 1_000;
/// The same for one that is called through the table: such a caller pays a fixed sum.
const LONGEST_FREE_IN_TABLE: i64 = 64;
/// The cost of a call of the host, beside what the host charges itself.
const HOST_CALL: f64 = 50.0;
/// The operators of a call of the host, and of the meter's own functions, with what stands around it.
const OWN_CALL_STEPS: i64 = 40;

/// The charges of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charges {
    /// At the start of the function; none where its callers pay.
    pub entry: Option<Charge>,
    /// At the start of each loop, in the order of their starts. Each looks.
    pub loops: Vec<i64>,
    /// Before the operators of these numbers, for ways that are much longer than the expected one.
    pub extra: Vec<(usize, i64)>,
}

/// A charge at the start of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charge {
    pub cost: i64,
    /// Whether the function looks whether its slice is used up. One function in each cycle of calls does.
    pub looks: bool,
}

/// What a call of a function that is not charged costs its caller.
#[derive(Clone, Copy, Debug)]
struct Callee {
    weight: f64,
    /// Operators on the longest way.
    longest: i64,
}

/// Decides on all charges of a module. The functions of `charged` are charged whatever they do.
pub fn plan(code: &Code<'_>, charged: &HashSet<u32>) -> Result<Vec<Charges>> {
    let facts: Vec<Facts> = code.functions.iter().map(|function| Facts::of(&function.operators)).collect();
    let looking = looking(code, &facts);
    let mut free = Free { code, facts: &facts, looking: &looking, charged, known: vec![None; facts.len()] };
    (0..facts.len()).try_for_each(|at| free.decide(at).map(drop))?;
    let free: Vec<Option<Callee>> = free.known.into_iter().map(Option::flatten).collect();
    let callee = |function: u32| match code.defined(function) {
        None => Callee { weight: HOST_CALL, longest: OWN_CALL_STEPS },
        Some(at) => free.get(at).copied().flatten().unwrap_or(Callee { weight: 0.0, longest: 0 }),
    };
    let each = code.functions.iter().zip(free.iter().zip(&looking));
    let charges = each.map(|(function, (free, looks))| {
        let passes = passes(&function.operators, &|function| callee(function).weight)?;
        let costs: Vec<i64> = passes.iter().map(|weight| ((weight * UNITS).round() as i64).max(1)).collect();
        let (own, loops) = costs.split_first().context("a function without a piece")?;
        let entry = free.is_none().then_some(Charge { cost: *own, looks: *looks });
        let extra =
            if free.is_none() { extra(&function.operators, &costs, &|at| callee(at).longest)? } else { Vec::new() };
        Ok(Charges { entry, loops: loops.to_vec(), extra })
    });
    charges.collect()
}

/// The number of operators that one operator stands for.
fn steps(operator: &Operator<'_>, callee: &dyn Fn(u32) -> i64) -> i64 {
    match operator {
        Operator::Call { function_index } => 1 + callee(*function_index),
        Operator::CallIndirect { .. } => 1 + LONGEST_FREE_IN_TABLE,
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryGrow { .. } => OWN_CALL_STEPS,
        other => i64::from(is_work(other)),
    }
}

/// Where a way through a piece becomes longer than what was paid at its start, the price is paid again.
fn extra(operators: &[Operator<'_>], costs: &[i64], callee: &dyn Fn(u32) -> i64) -> Result<Vec<(usize, i64)>> {
    let mut costs_of_loops = costs.iter().copied();
    let own = costs_of_loops.next().context("a function without a piece")?;
    // The length of a way begins with what was paid and must not exceed 0.
    let mut ways = Ways::new(-own * OPERATORS_A_UNIT);
    let mut costs_around = vec![own];
    let mut open = Vec::new();
    let mut extra = Vec::new();
    for (number, operator) in operators.iter().enumerate() {
        let cost = costs_around.last().copied().context("an end without a start")?;
        let steps = steps(operator, callee);
        if let Some(owed) = ways.at.map(|at| at + steps).filter(|owed| *owed > 0) {
            let price = cost.max((owed + OPERATORS_A_UNIT - 1) / OPERATORS_A_UNIT);
            ways.add(-price * OPERATORS_A_UNIT);
            extra.push((number, price));
        }
        ways.add(steps);
        let mut paid = 0;
        match operator {
            Operator::Loop { .. } => {
                paid = costs_of_loops.next().context("a loop without a price")?;
                costs_around.push(paid);
                open.push(true);
            }
            Operator::Block { .. } | Operator::If { .. } => open.push(false),
            Operator::End if open.pop() == Some(true) => _ = costs_around.pop(),
            _ => {}
        }
        ways.follow(operator, -paid * OPERATORS_A_UNIT)?;
    }
    Ok(extra)
}

/// What has to be known of a function.
#[derive(Default)]
struct Facts {
    calls: Vec<u32>,
    calls_indirectly: bool,
    steps: i64,
    /// Whether it has a loop, or works on memory as a whole.
    is_long: bool,
}

impl Facts {
    fn of(operators: &[Operator<'_>]) -> Self {
        let mut facts = Facts::default();
        for operator in operators {
            facts.steps += i64::from(is_work(operator));
            match operator {
                Operator::Call { function_index } => facts.calls.push(*function_index),
                Operator::CallIndirect { .. } => facts.calls_indirectly = true,
                Operator::Loop { .. } => facts.is_long = true,
                Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryGrow { .. } => {
                    facts.is_long = true;
                }
                _ => {}
            }
        }
        facts
    }
}

/// The functions that look: of each cycle of calls at least one. A call through the table can lead anywhere, so each
/// function with one looks; of the cycles of direct calls those do to which a call leads back.
fn looking(code: &Code<'_>, facts: &[Facts]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut looking: Vec<bool> = facts.iter().map(|facts| facts.calls_indirectly).collect();
    let mut seen = vec![Seen::No; facts.len()];
    for root in 0..facts.len() {
        let mut open = vec![(root, 0)];
        while let Some((at, next)) = open.pop() {
            if next == 0 {
                if seen[at] != Seen::No || looking[at] {
                    continue;
                }
                seen[at] = Seen::Open;
            }
            let Some(called) = facts[at].calls.get(next) else {
                seen[at] = Seen::Done;
                continue;
            };
            open.push((at, next + 1));
            match code.defined(*called) {
                Some(called) if looking[called] => {}
                Some(called) if seen[called] == Seen::Open => looking[called] = true,
                Some(called) => open.push((called, 0)),
                None => {}
            }
        }
    }
    looking
}

/// The longest way through a function without loops.
fn longest(operators: &[Operator<'_>], callee: &dyn Fn(u32) -> i64) -> Result<i64> {
    let mut ways = Ways::new(0);
    let mut longest = 0;
    for operator in operators {
        ways.add(steps(operator, callee));
        longest = longest.max(ways.at.unwrap_or_default());
        ways.follow(operator, 0)?;
    }
    Ok(longest)
}

/// Functions that are not charged: short, without loops, and with calls of such functions only.
struct Free<'a, 'b> {
    code: &'a Code<'b>,
    facts: &'a [Facts],
    looking: &'a [bool],
    charged: &'a HashSet<u32>,
    /// What was decided: none yet, charged, or what a call costs.
    known: Vec<Option<Option<Callee>>>,
}

impl Free<'_, '_> {
    fn decide(&mut self, at: usize) -> Result<Option<Callee>> {
        if let Some(known) = self.known[at] {
            return Ok(known);
        }
        // Charged, should a call lead back here.
        self.known[at] = Some(None);
        let free = self.cost_of(at)?;
        self.known[at] = Some(free);
        Ok(free)
    }

    fn cost_of(&mut self, at: usize) -> Result<Option<Callee>> {
        let facts = &self.facts[at];
        let function = u32::try_from(at + self.code.imports.len())?;
        if facts.is_long || self.looking[at] || self.charged.contains(&function) {
            return Ok(None);
        }
        let is_leaf = facts.calls.is_empty() && facts.steps <= LONGEST_FREE_IN_TABLE;
        if self.code.in_table.contains(&function) && !is_leaf {
            return Ok(None);
        }
        for called in &facts.calls {
            let Some(called) = self.code.defined(*called) else { return Ok(None) };
            if self.decide(called)?.is_none() {
                return Ok(None);
            }
        }
        let callee = |function: u32| {
            let at = self.code.defined(function)?;
            self.known.get(at).copied().flatten().flatten()
        };
        let operators = &self.code.functions[at].operators;
        let passes = passes(operators, &|function| callee(function).map_or(0.0, |callee| callee.weight))?;
        let longest = longest(operators, &|function| callee(function).map_or(0, |callee| callee.longest))?;
        let weight = passes.first().copied().unwrap_or_default().max(1.0);
        Ok((longest <= LONGEST_FREE).then_some(Callee { weight, longest }))
    }
}
