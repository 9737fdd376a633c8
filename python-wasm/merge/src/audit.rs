//! Proves that the finished module is metered: that no way through it is free, and how long it can go on without asking.
//!
//! It reads the finished module and shares nothing with the pass that put the meter in. In words:
//!
//! 1. Two imports of the host's are called in fixed functions only (`shapes`), and so are all other imports: whoever calls
//!    the host settles first. What works on memory as a whole does so in chunks, in fixed functions too.
//! 2. The slice and the mark for "quiet" are two globals; behind them are those in which a loop keeps locals while it looks.
//!    Besides those functions only the exact sequences of a price name them, and no export does. A price is a constant above
//!    0. A local that is kept in a global comes back from there.
//! 3. Each loop begins with a price and a look. So does the start of a function in each cycle of calls, and of each function
//!    that calls through a table: without them the graph of direct calls has no cycle.
//! 4. On each way through a piece of code (a function outside of its loops; a loop outside of the loops inside it) no more
//!    than 64 operators are done for a unit that was taken before.
//! 5. A function without a price at its start has no loop, calls only such functions, and is short; very short, if it can be
//!    called through a table. Its callers pay for its operators.
//! 6. Every exported function begins with settling, or with a slice of its own if the host calls it while it cannot be
//!    called.
//!
//! From these follows the longest time between two prices and between two looks, which it computes.

mod lengths;
mod sequence;
mod shapes;
mod walk;

use std::collections::HashSet;
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use wasmparser::Operator;

use self::lengths::Lengths;
use self::sequence::{Event, Meter, events};
use self::shapes::Shape;
use self::walk::Walk;
use crate::code::{Code, Defined, is_work};

/// Most operators between two looks, without the returns of functions that have looked: below 10 ms at 3 operators a
/// nanosecond.
const MOST_BETWEEN_LOOKS: i64 = 30_000_000;
/// Most operators for a unit.
const OPERATORS_A_UNIT: i64 = 64;
/// Most operators of a function that does not pay; of one in a table; how deep such functions call each other.
const FREE: i64 = 1_000;
const FREE_IN_TABLE: i64 = 64;
const MOST_FREE_CALLS: u32 = 100;
/// What is counted for the call of one of the meter's own functions.
const OWN: i64 = 40;
/// The same for one that works on memory: a chunk of 256 KiB, of which 16 bytes are as fast as an operator.
const CHUNK: i64 = OWN + (256 << 10) / 16;

/// What was proved.
#[derive(Debug)]
pub struct Proof {
    functions: usize,
    free: usize,
    looks: usize,
    between_prices: i64,
    between_looks: i64,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "metered: {} functions, {} of them paid by their callers, {} looks; for a unit at most {OPERATORS_A_UNIT} operators; \
             between two prices at most {} operators, between two looks {}, and as many again for each function that returns \
             in between after a look",
            self.functions, self.free, self.looks, self.between_prices, self.between_looks
        )
    }
}

/// One function, as the audit sees it.
enum Function<'a> {
    Own(Shape),
    Other(Vec<Event<'a>>),
}

impl Function<'_> {
    /// The price at the start, and whether it looks there.
    fn begins_with(&self) -> Option<(i64, bool)> {
        match self {
            Function::Other(events) => match events.first() {
                Some(Event::Price { units, looks, .. }) => Some((*units, *looks)),
                _ => None,
            },
            Function::Own(_) => None,
        }
    }
}

/// Checks a module.
pub fn audit(module: &[u8]) -> Result<Proof> {
    let code = Code::read(module)?;
    let meter = Meter::find(&code)?;
    ensure!(!code.exported_globals.iter().any(|global| meter.owns(*global)), "a global of the meter is exported");
    let named = |at: usize| format!("function {}", at + code.imports.len());
    let mut functions = Vec::new();
    for (at, function) in code.functions.iter().enumerate() {
        let parameters = parameters(&code, function)?;
        functions.push(match shapes::recognise(&function.operators, parameters, &meter, code.imports.len()) {
            Some(shape) => Function::Own(shape),
            None => Function::Other(events(&function.operators, &meter).with_context(|| named(at))?),
        });
    }
    let audit = Audit::new(&code, &functions)?;
    for (at, function) in functions.iter().enumerate() {
        audit.check(function).with_context(|| named(at))?;
    }
    audit.check_exports()?;
    audit.check_cycles()?;
    let between_prices = Lengths::new(&code, &functions, false).longest()?;
    let between_looks = Lengths::new(&code, &functions, true).longest()?;
    ensure!(between_looks <= MOST_BETWEEN_LOOKS, "{between_looks} operators between two looks");
    let others = functions.iter().filter(|function| matches!(function, Function::Other(_)));
    let looks = |function: &Function<'_>| match function {
        Function::Other(events) => {
            events.iter().filter(|event| matches!(event, Event::Price { looks: true, .. })).count()
        }
        Function::Own(_) => 0,
    };
    Ok(Proof {
        functions: others.clone().count(),
        free: others.filter(|function| function.begins_with().is_none()).count(),
        looks: functions.iter().map(looks).sum(),
        between_prices,
        between_looks,
    })
}

fn parameters(code: &Code<'_>, function: &Defined<'_>) -> Result<u32> {
    let ty = code.types.get(function.ty as usize).context("a function has no type")?;
    Ok(u32::try_from(ty.params().len())?)
}

struct Audit<'a, 'b> {
    code: &'a Code<'b>,
    functions: &'a [Function<'b>],
    /// Of each function that does not pay, the operators on its longest way.
    free: Vec<Option<i64>>,
}

impl<'a, 'b> Audit<'a, 'b> {
    fn new(code: &'a Code<'b>, functions: &'a [Function<'b>]) -> Result<Self> {
        let mut audit = Audit { code, functions, free: vec![None; functions.len()] };
        let first = code.imports.len();
        let others = functions.iter().enumerate().filter(|(_, function)| matches!(function, Function::Other(_)));
        for (at, _) in others {
            audit.measure(at, MOST_FREE_CALLS).with_context(|| format!("function {}", at + first))?;
        }
        Ok(audit)
    }

    fn get(&self, function: u32) -> Option<&'a Function<'b>> {
        self.functions.get(self.code.defined(function)?)
    }

    /// Rule 5: measures a function that does not pay, and those that it calls.
    fn measure(&mut self, at: usize, calls: u32) -> Result<i64> {
        let Some(Function::Other(events)) = self.functions.get(at) else { bail!("a function of the meter is called") };
        if let Some(known) = self.free.get(at).copied().flatten() {
            return Ok(known);
        }
        if matches!(events.first(), Some(Event::Price { .. })) {
            return Ok(0);
        }
        ensure!(calls > 0, "functions that do not pay call each other in a circle");
        let in_table = self.code.in_table.contains(&u32::try_from(at + self.code.imports.len())?);
        let mut way = Walk::new(true);
        let mut longest = 0;
        for event in events {
            let Event::Plain(operator) = event else { bail!("it pays, but not at its start") };
            way.here.add(match operator {
                Operator::Loop { .. } | Operator::CallIndirect { .. } => {
                    bail!("it does not pay at its start, with {operator:?}")
                }
                Operator::Call { function_index } => {
                    ensure!(!in_table, "it does not pay, is in a table, and calls");
                    let callee = self.code.defined(*function_index).context("an import is called without settling")?;
                    let pays = matches!(self.functions.get(callee), Some(callee) if callee.begins_with().is_some());
                    ensure!(!pays, "it does not pay, and calls a function that does");
                    1 + self.measure(callee, calls - 1)?
                }
                operator => i64::from(is_work(operator)),
            });
            longest = longest.max(way.here.longest().unwrap_or_default());
            way.follow(operator)?;
        }
        let most = if in_table { FREE_IN_TABLE } else { FREE };
        ensure!(longest <= most, "it does not pay, and has more than {most} operators");
        if let Some(known) = self.free.get_mut(at) {
            *known = Some(longest);
        }
        Ok(longest)
    }

    /// Rules 1 to 4 for one function.
    fn check(&self, function: &Function<'_>) -> Result<()> {
        let events = match function {
            Function::Own(Shape::Gate { inner } | Shape::QuietGate { inner }) => {
                let pays = self.get(*inner).is_some_and(|inner| inner.begins_with().is_some());
                ensure!(pays, "what is exported does not pay at its start");
                return Ok(());
            }
            Function::Own(_) => return Ok(()),
            Function::Other(events) => events,
        };
        let begins = function.begins_with();
        let mut way = Walk::new(true);
        let mut events = events.iter().peekable();
        while let Some(event) = events.next() {
            let operator = match event {
                Event::Price { units, .. } => {
                    way.here.add(-units * OPERATORS_A_UNIT);
                    continue;
                }
                Event::Plain(operator) => operator,
            };
            way.here.add(self.steps(operator)?);
            let is_paid = way.here.longest().is_none_or(|owed| owed <= 0);
            ensure!(begins.is_none() || is_paid, "more than {OPERATORS_A_UNIT} operators are done for a unit");
            way.follow(operator)?;
            match operator {
                Operator::Loop { .. } => {
                    let looks = matches!(events.peek(), Some(Event::Price { looks: true, .. }));
                    ensure!(looks, "a loop does not begin with a price and a look");
                }
                Operator::CallIndirect { .. } => {
                    let looks = begins.is_some_and(|(_, looks)| looks);
                    ensure!(looks, "it calls through a table and does not look at its start");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The operators that one stands for. An error for one that is not allowed (rule 1).
    fn steps(&self, operator: &Operator<'_>) -> Result<i64> {
        Ok(match operator {
            Operator::Call { function_index } => match self.get(*function_index) {
                None => bail!("an import is called without settling"),
                Some(Function::Own(Shape::Look | Shape::Gate { .. } | Shape::QuietGate { .. })) => {
                    bail!("a function of the meter is called in a wrong place")
                }
                Some(Function::Own(_)) => OWN,
                Some(Function::Other(_)) => {
                    let at = self.code.defined(*function_index).context("an import is called")?;
                    1 + self.free.get(at).copied().flatten().unwrap_or_default()
                }
            },
            Operator::CallIndirect { .. } => 1 + FREE_IN_TABLE,
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::RefFunc { .. } => {
                bail!("{operator:?} hides who is called")
            }
            operator if is_bulk(operator) => bail!("{operator:?} is not paid by its length"),
            operator => i64::from(is_work(operator)),
        })
    }

    /// Rule 6.
    fn check_exports(&self) -> Result<()> {
        for export in &self.code.exports {
            let is_quiet = export.name.starts_with("cabi_");
            let is_gate = match self.get(export.function) {
                Some(Function::Own(Shape::Gate { .. })) => !is_quiet,
                Some(Function::Own(Shape::QuietGate { .. })) => is_quiet,
                _ => false,
            };
            ensure!(is_gate, "`{}` is exported without its gate", export.name);
        }
        Ok(())
    }

    /// Rule 3: takes away, one after the other, functions that call none of those that are left. Those that look at their
    /// start are taken away first. What stays calls itself in a circle.
    fn check_cycles(&self) -> Result<()> {
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); self.functions.len()];
        let mut calls = vec![0_usize; self.functions.len()];
        let mut done = Vec::new();
        let looks =
            |function: Option<&Function<'_>>| function.and_then(Function::begins_with).is_some_and(|(_, looks)| looks);
        for (at, function) in self.functions.iter().enumerate() {
            let called: HashSet<usize> = match function {
                Function::Other(events) if !looks(Some(function)) => {
                    let called = events.iter().filter_map(|event| self.code.defined(event.called()?));
                    called.filter(|called| !looks(self.functions.get(*called))).collect()
                }
                // What the meter's own functions call is known.
                _ => HashSet::new(),
            };
            if let Some(number) = calls.get_mut(at) {
                *number = called.len();
            }
            for called in called {
                callers.get_mut(called).context("a function that is not there")?.push(at);
            }
            done.extend((calls.get(at) == Some(&0)).then_some(at));
        }
        let mut left = self.functions.len();
        while let Some(at) = done.pop() {
            left -= 1;
            for caller in callers.get(at).into_iter().flatten() {
                let number = calls.get_mut(*caller).context("a function that is not there")?;
                *number -= 1;
                done.extend((*number == 0).then_some(*caller));
            }
        }
        ensure!(left == 0, "{left} functions can call each other in a circle without a look");
        Ok(())
    }
}

/// Whether an operator works on a memory or table as a whole.
fn is_bulk(operator: &Operator<'_>) -> bool {
    use Operator as Op;
    let memory = matches!(
        operator,
        Op::MemoryCopy { .. } | Op::MemoryFill { .. } | Op::MemoryGrow { .. } | Op::MemoryInit { .. }
    );
    let table =
        matches!(operator, Op::TableCopy { .. } | Op::TableFill { .. } | Op::TableGrow { .. } | Op::TableInit { .. });
    memory || table
}

#[cfg(test)]
mod tests;
