//! The longest way through a piece of code.

use anyhow::{Context, Result};
use wasmparser::Operator;

/// Follows the operators of a function, and knows the longest way to each of them within its piece.
pub struct Ways {
    /// The length of the longest way to here; none where no way leads.
    pub at: Option<i64>,
    frames: Vec<Frame>,
}

/// A block, loop or `if` that is open.
struct Frame {
    is_loop: bool,
    /// The longest way to its start.
    reached: Option<i64>,
    /// The longest way to what is behind it, of the branches seen so far.
    behind: Option<i64>,
    /// An `if` whose second part has not begun: it can be passed by.
    can_be_passed: bool,
}

impl Ways {
    /// Begins a function whose piece begins with this length.
    pub fn new(length: i64) -> Self {
        let at = Some(length);
        Ways { at, frames: vec![Frame { is_loop: false, reached: at, behind: None, can_be_passed: false }] }
    }

    /// Adds work.
    pub fn add(&mut self, steps: i64) {
        self.at = self.at.map(|at| at + steps);
    }

    /// Follows an operator. The piece of a loop begins with `length`.
    pub fn follow(&mut self, operator: &Operator<'_>, length: i64) -> Result<()> {
        match operator {
            Operator::Block { .. } => self.open(false, false),
            Operator::If { .. } => self.open(false, true),
            Operator::Loop { .. } => {
                self.open(true, false);
                self.at = Some(length);
            }
            Operator::Else => {
                let frame = self.frames.last_mut().context("an else without an if")?;
                frame.behind = frame.behind.max(self.at);
                frame.can_be_passed = false;
                self.at = frame.reached;
            }
            Operator::End => {
                let frame = self.frames.pop().context("an end without a start")?;
                if frame.is_loop {
                    // What the loop does is paid there.
                    self.at = self.at.and(frame.reached);
                } else {
                    let passed = frame.reached.filter(|_| frame.can_be_passed);
                    self.at = self.at.max(frame.behind).max(passed);
                }
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth)?;
                self.at = None;
            }
            Operator::BrIf { relative_depth } => self.branch(*relative_depth)?,
            Operator::BrTable { targets } => {
                for depth in targets.targets() {
                    self.branch(depth?)?;
                }
                self.branch(targets.default())?;
                self.at = None;
            }
            Operator::Return | Operator::Unreachable => self.at = None,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, is_loop: bool, can_be_passed: bool) {
        self.frames.push(Frame { is_loop, reached: self.at, behind: None, can_be_passed });
    }

    fn branch(&mut self, depth: u32) -> Result<()> {
        let to = self.frames.len().checked_sub(1 + depth as usize).context("a branch to nowhere")?;
        // Behind a loop that is left, its piece goes on from where the loop began.
        let left = self.frames.iter().skip(to + 1).find(|frame| frame.is_loop);
        let at = left.map_or(self.at, |left| self.at.and(left.reached));
        let target = self.frames.get_mut(to).context("a branch to nowhere")?;
        if !target.is_loop {
            target.behind = target.behind.max(at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::BlockType;

    use super::*;

    const BLOCK: Operator<'_> = Operator::Block { blockty: BlockType::Empty };
    const LOOP: Operator<'_> = Operator::Loop { blockty: BlockType::Empty };
    const IF: Operator<'_> = Operator::If { blockty: BlockType::Empty };
    const ADD: Operator<'_> = Operator::I32Add;
    const END: Operator<'_> = Operator::End;

    /// The longest way to the end, when additions have a length of one and a loop begins with 100.
    fn end(operators: &[Operator<'_>]) -> Option<i64> {
        let mut ways = Ways::new(0);
        for operator in operators {
            ways.add(i64::from(matches!(operator, Operator::I32Add)));
            ways.follow(operator, 100).expect("follows");
        }
        ways.at
    }

    #[test]
    fn of_two_ways_the_longer_one_counts() {
        assert_eq!(end(&[ADD, IF, ADD, ADD, Operator::Else, ADD, END, ADD]), Some(4));
        assert_eq!(end(&[ADD, IF, Operator::Unreachable, END, ADD]), Some(2));
        let br_if = Operator::BrIf { relative_depth: 0 };
        assert_eq!(end(&[BLOCK, ADD, br_if, ADD, Operator::Return, END, ADD]), Some(2));
        assert_eq!(end(&[BLOCK, ADD, Operator::Br { relative_depth: 0 }, END]), Some(1));
        assert_eq!(end(&[ADD, Operator::Unreachable]), None);
    }

    #[test]
    fn what_a_loop_does_is_no_part_of_what_is_around_it() {
        let br = Operator::Br { relative_depth: 1 };
        assert_eq!(end(&[ADD, LOOP, ADD, ADD, END, ADD]), Some(2));
        assert_eq!(end(&[ADD, LOOP, ADD]), Some(101));
        assert_eq!(end(&[ADD, BLOCK, ADD, LOOP, ADD, br, END, END, ADD]), Some(3));
        let again = Operator::Br { relative_depth: 0 };
        assert_eq!(end(&[ADD, LOOP, ADD, again, END, ADD]), None);
    }
}
