//! How many operators can be done between two prices, or between two looks.

use anyhow::{Context, Result, ensure};
use wasmparser::Operator;

use super::sequence::Event;
use super::shapes::Shape;
use super::walk::{Length, Walk};
use super::{CHUNK, Function, OWN};
use crate::code::{Code, is_work};

/// What a call of a function adds to a way.
#[derive(Clone, Copy, Debug)]
struct Summary {
    /// Through it without a point; none when each way has one.
    through: Option<i64>,
    /// From its start to the first point, or to its end.
    first: i64,
    /// From its last point to its end; none when it has no point, or does not return.
    last: Option<i64>,
}

/// A function that has a point at its start. How it ends is not known here: it can call itself again. What its caller does
/// behind it is counted from its return.
const POINT: Summary = Summary { through: None, first: 0, last: Some(0) };

/// The lengths of the ways through all functions.
pub struct Lengths<'a, 'b> {
    code: &'a Code<'b>,
    functions: &'a [Function<'b>],
    /// Points are looks only, not all prices.
    only_looks: bool,
    known: Vec<Option<Summary>>,
    through_table: Summary,
    longest: i64,
}

impl<'a, 'b> Lengths<'a, 'b> {
    pub fn new(code: &'a Code<'b>, functions: &'a [Function<'b>], only_looks: bool) -> Self {
        let known = vec![None; functions.len()];
        Lengths { code, functions, only_looks, known, through_table: POINT, longest: 0 }
    }

    /// The most operators between two points of one function and those that it calls.
    pub fn longest(mut self) -> Result<i64> {
        // What looks at its start can call through the table, but nothing in this is needed for what cannot.
        let in_table: Vec<usize> =
            self.code.in_table.iter().filter_map(|function| self.code.defined(*function)).collect();
        for at in in_table {
            let Summary { through, first, last } = self.summary(at, self.functions.len())?;
            let all = &mut self.through_table;
            *all = Summary { through: all.through.max(through), first: all.first.max(first), last: all.last.max(last) };
        }
        for at in 0..self.functions.len() {
            self.summary(at, self.functions.len())?;
            if self.has_point_at_start(at) {
                self.measure(at, self.functions.len())?;
            }
        }
        Ok(self.longest)
    }

    fn is_point(&self, event: &Event<'_>) -> bool {
        matches!(event, Event::Price { looks, .. } if *looks || !self.only_looks)
    }

    fn has_point_at_start(&self, at: usize) -> bool {
        matches!(self.functions.get(at), Some(Function::Other(events)) if events.first().is_some_and(|event| self.is_point(event)))
    }

    fn summary(&mut self, at: usize, depth: usize) -> Result<Summary> {
        if let Some(known) = self.known.get(at).copied().flatten() {
            return Ok(known);
        }
        let own = |steps| Summary { through: Some(steps), first: steps, last: None };
        let summary = match self.functions.get(at).context("a function that is not there")? {
            Function::Own(Shape::Copy | Shape::Fill) => own(CHUNK),
            Function::Own(_) => own(OWN),
            Function::Other(_) if self.has_point_at_start(at) => POINT,
            Function::Other(_) => self.measure(at, depth)?,
        };
        if let Some(known) = self.known.get_mut(at) {
            *known = Some(summary);
        }
        Ok(summary)
    }

    fn measure(&mut self, at: usize, depth: usize) -> Result<Summary> {
        ensure!(depth > 0, "functions without a look call each other in a circle");
        let functions = self.functions;
        let Some(Function::Other(events)) = functions.get(at) else { return Ok(POINT) };
        let mut way = Walk::new(false);
        let mut first = 0;
        for event in events {
            let operator = match event {
                Event::Price { .. } => {
                    if self.is_point(event) {
                        self.note(way.here, &mut first);
                        way.here.pass_point();
                    }
                    continue;
                }
                Event::Plain(operator) => operator,
            };
            let called = match operator {
                Operator::Call { function_index } => {
                    let called = self.code.defined(*function_index).context("an import is called")?;
                    Some(self.summary(called, depth - 1)?)
                }
                Operator::CallIndirect { .. } => Some(self.through_table),
                _ => None,
            };
            way.here.add(i64::from(is_work(operator)));
            if let Some(called) = called {
                way.here = self.call(way.here, called, &mut first);
            }
            self.note(way.here, &mut first);
            way.follow(operator)?;
        }
        Ok(Summary { through: way.here.from_start, first, last: way.here.from_point })
    }

    /// Goes on behind a call.
    fn call(&mut self, here: Length, called: Summary, first: &mut i64) -> Length {
        let mut to_first = here;
        to_first.add(called.first);
        self.note(to_first, first);
        let through =
            |length: Option<i64>| length.zip(called.through).map(|(length, through)| length.saturating_add(through));
        let ended = here.longest().and(called.last);
        Length { from_start: through(here.from_start), from_point: through(here.from_point).max(ended) }
    }

    fn note(&mut self, here: Length, first: &mut i64) {
        *first = (*first).max(here.from_start.unwrap_or_default());
        self.longest = self.longest.max(here.longest().unwrap_or_default());
    }
}
