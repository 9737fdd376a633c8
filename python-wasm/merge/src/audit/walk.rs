//! Follows all ways through a function at once, and keeps the longest.

use anyhow::{Context, Result};
use wasmparser::Operator;

/// The longest ways to a place: from the start of the function, and from the last point on the way. None where there is no
/// such way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Length {
    pub from_start: Option<i64>,
    pub from_point: Option<i64>,
}

impl Length {
    /// Adds work to each way.
    pub fn add(&mut self, steps: i64) {
        for length in [&mut self.from_start, &mut self.from_point].into_iter().flatten() {
            *length = length.saturating_add(steps);
        }
    }

    /// The longer of both.
    pub fn longest(self) -> Option<i64> {
        self.from_start.max(self.from_point)
    }

    /// Ends all ways at a point.
    pub fn pass_point(&mut self) {
        *self = Length { from_start: None, from_point: self.longest().and(Some(0)) };
    }

    fn join(&mut self, other: Length) {
        self.from_start = self.from_start.max(other.from_start);
        self.from_point = self.from_point.max(other.from_point);
    }
}

/// A block, loop or `if` that is open.
struct Frame {
    is_loop: bool,
    before: Length,
    behind: Length,
    /// An `if` without a second part so far.
    is_half: bool,
}

/// The walk through one function.
pub struct Walk {
    pub here: Length,
    frames: Vec<Frame>,
    /// What loops do is left out: behind a loop goes on what came before it.
    without_loops: bool,
}

impl Walk {
    /// Begins at the start of a function.
    pub fn new(without_loops: bool) -> Self {
        let here = Length { from_start: Some(0), from_point: None };
        Walk { here, frames: vec![Frame::new(false, false, here)], without_loops }
    }

    /// Follows the structure that an operator is a part of. A loop begins with a point, which the caller has passed.
    pub fn follow(&mut self, operator: &Operator<'_>) -> Result<()> {
        match operator {
            Operator::Block { .. } => self.frames.push(Frame::new(false, false, self.here)),
            Operator::If { .. } => self.frames.push(Frame::new(false, true, self.here)),
            Operator::Loop { .. } => {
                self.frames.push(Frame::new(true, false, self.here));
                self.here.pass_point();
            }
            Operator::Else => {
                let frame = self.frames.last_mut().context("an else without an if")?;
                frame.behind.join(self.here);
                frame.is_half = false;
                self.here = frame.before;
            }
            Operator::End => {
                let frame = self.frames.pop().context("an end without a start")?;
                if frame.is_loop && self.without_loops {
                    self.here = if self.here == Length::default() { self.here } else { frame.before };
                }
                self.here.join(frame.behind);
                if frame.is_half {
                    self.here.join(frame.before);
                }
            }
            Operator::Br { relative_depth } => self.leave(&[*relative_depth])?,
            Operator::BrIf { relative_depth } => self.branch(*relative_depth)?,
            Operator::BrTable { targets } => {
                let depths = targets.targets().collect::<Result<Vec<_>, _>>()?;
                self.leave(&[depths, vec![targets.default()]].concat())?;
            }
            Operator::Return => self.leave(&[u32::try_from(self.frames.len() - 1)?])?,
            Operator::Unreachable => self.here = Length::default(),
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, depths: &[u32]) -> Result<()> {
        depths.iter().try_for_each(|depth| self.branch(*depth))?;
        self.here = Length::default();
        Ok(())
    }

    fn branch(&mut self, depth: u32) -> Result<()> {
        let to = self.frames.len().checked_sub(1 + depth as usize).context("a branch to nowhere")?;
        let mut length = self.here;
        if self.without_loops
            && let Some(left) = self.frames.iter().skip(to + 1).find(|frame| frame.is_loop)
            && length != Length::default()
        {
            length = left.before;
        }
        let frame = self.frames.get_mut(to).context("a branch to nowhere")?;
        if !frame.is_loop {
            frame.behind.join(length);
        }
        Ok(())
    }
}

impl Frame {
    fn new(is_loop: bool, is_half: bool, before: Length) -> Self {
        Frame { is_loop, before, behind: Length::default(), is_half }
    }
}
