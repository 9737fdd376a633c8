//! What one pass through a piece of code costs.
//!
//! The pieces are a function's body outside of its loops, and each loop's body outside of the loops inside it: a charge at
//! the start of the piece pays for one pass. A pass is one of many ways through the piece, so the charge is the expected
//! cost: the probability of each operator comes from fixed odds of the branches before it.

use anyhow::{Context, Result};
use wasmparser::Operator;

use crate::code::is_work;

/// How often a conditional branch is taken.
const BRANCH: f64 = 0.25;
/// How often the first part of an `if` is taken.
const IF: f64 = 0.5;
/// A table of more cases than this is a dispatch. Its hot cases are shorter than the others: each case counts as this share
/// of what even odds would give it.
const DISPATCH: usize = 100;
const DISPATCH_SHARE: f64 = 0.2;

/// The weights of operators. Measured on the benchmark's kernels: with them the units of a second differ least.
const ACCESS: f64 = 2.0;
const DIVISION: f64 = 10.0;
const CALL: f64 = 10.0;
/// A call through the table: the checks, and the callee, which is perhaps not charged itself.
const INDIRECT: f64 = 36.0;

/// Returns the expected weight of one pass through each piece of a function: its own, then those of its loops in the order
/// of their starts. `callee` is the weight of calling a function beside the call itself.
pub fn passes(operators: &[Operator<'_>], callee: &dyn Fn(u32) -> f64) -> Result<Vec<f64>> {
    let mut walk = Walk { passes: vec![0.0], frames: Vec::new(), now: 1.0, piece: 0 };
    walk.frames.push(Frame::new(false, &walk));
    for operator in operators {
        let weight = match operator {
            Operator::Call { function_index } => CALL + callee(*function_index),
            Operator::CallIndirect { .. } => INDIRECT,
            other => weight(other),
        };
        *walk.passes.get_mut(walk.piece).context("a piece without a pass")? += walk.now * weight;
        walk.follow(operator)?;
    }
    Ok(walk.passes)
}

fn weight(operator: &Operator<'_>) -> f64 {
    use Operator as Op;
    match operator {
        // Locals and constants are operands of machine instructions, seldom instructions.
        Op::LocalGet { .. } | Op::LocalSet { .. } | Op::LocalTee { .. } => 0.0,
        Op::I32Const { .. } | Op::I64Const { .. } | Op::F32Const { .. } | Op::F64Const { .. } => 0.0,
        Op::Drop | Op::Return | Op::Unreachable => 0.0,
        Op::I32Load { .. } | Op::I64Load { .. } | Op::I32Store { .. } | Op::I64Store { .. } => ACCESS,
        Op::I32Load8U { .. } | Op::I32Load16U { .. } => ACCESS,
        Op::I32DivS | Op::I32DivU | Op::I32RemS | Op::I32RemU => DIVISION,
        Op::I64DivS | Op::I64DivU | Op::I64RemS | Op::I64RemU => DIVISION,
        other if is_work(other) => 1.0,
        _ => 0.0,
    }
}

/// A block, loop or `if` that is open.
struct Frame {
    is_loop: bool,
    /// The piece around it.
    piece: usize,
    /// The probability of its start.
    entered: f64,
    /// What goes on behind it, of the branches seen so far.
    pending: f64,
    /// Of an `if` whose second part has not begun: its probability.
    otherwise: Option<f64>,
    /// Of a loop: branches to what is around it.
    exits: Vec<(usize, f64)>,
}

impl Frame {
    fn new(is_loop: bool, walk: &Walk) -> Self {
        Frame { is_loop, piece: walk.piece, entered: walk.now, pending: 0.0, otherwise: None, exits: Vec::new() }
    }
}

struct Walk {
    passes: Vec<f64>,
    frames: Vec<Frame>,
    /// The probability of being here in one pass of the piece.
    now: f64,
    piece: usize,
}

impl Walk {
    fn follow(&mut self, operator: &Operator<'_>) -> Result<()> {
        match operator {
            Operator::Block { .. } => self.frames.push(Frame::new(false, self)),
            Operator::If { .. } => {
                let otherwise = Some(self.now * (1.0 - IF));
                self.frames.push(Frame { otherwise, ..Frame::new(false, self) });
                self.now *= IF;
            }
            Operator::Loop { .. } => {
                self.frames.push(Frame::new(true, self));
                self.passes.push(0.0);
                (self.piece, self.now) = (self.passes.len() - 1, 1.0);
            }
            Operator::Else => {
                let frame = self.frames.last_mut().context("an else without an if")?;
                frame.pending += self.now;
                self.now = frame.otherwise.take().unwrap_or_default();
            }
            Operator::End => self.end()?,
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth, self.now)?;
                self.now = 0.0;
            }
            Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth, self.now * BRANCH)?;
                self.now *= 1.0 - BRANCH;
            }
            Operator::BrTable { targets } => {
                let depths: Vec<u32> = targets.targets().collect::<Result<_, _>>()?;
                let cases = depths.len() + 1;
                let share = if cases > DISPATCH { DISPATCH_SHARE } else { 1.0 };
                for depth in depths.into_iter().chain([targets.default()]) {
                    self.branch(depth, self.now * share / cases as f64)?;
                }
                self.now = 0.0;
            }
            Operator::Return => {
                self.branch(u32::try_from(self.frames.len() - 1)?, self.now)?;
                self.now = 0.0;
            }
            Operator::Unreachable => self.now = 0.0,
            _ => {}
        }
        Ok(())
    }

    fn branch(&mut self, depth: u32, probability: f64) -> Result<()> {
        let top = self.frames.len() - 1;
        let to = top.checked_sub(depth as usize).context("a branch to nowhere")?;
        self.leave(to, top, probability);
        Ok(())
    }

    /// Notes a branch from inside frame `from` to the end of frame `to`, which is open around it.
    fn leave(&mut self, to: usize, from: usize, probability: f64) {
        let inner = self.frames.iter().take(from + 1).rposition(|frame| frame.is_loop);
        match inner {
            // One more pass of this loop.
            Some(inner) if inner == to => {}
            Some(inner) if to < inner => {
                if let Some(inner) = self.frames.get_mut(inner) {
                    inner.exits.push((to, probability));
                }
            }
            _ => {
                if let Some(target) = self.frames.get_mut(to) {
                    target.pending += probability;
                }
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        let frame = self.frames.pop().context("an end without a start")?;
        if !frame.is_loop {
            self.now += frame.pending + frame.otherwise.unwrap_or_default();
            return Ok(());
        }
        self.piece = frame.piece;
        // However many passes there are, it is left as often as it is entered.
        let total = self.now + frame.exits.iter().map(|(_, probability)| probability).sum::<f64>();
        let scale = if total > 1e-12 { frame.entered / total } else { 0.0 };
        self.now *= scale;
        let around = self.frames.len().saturating_sub(1);
        for (to, probability) in frame.exits {
            self.leave(to, around, probability * scale);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::BlockType;

    use super::*;

    fn of(operators: &[Operator<'_>]) -> Vec<f64> {
        passes(operators, &|_| 5.0).expect("walks")
    }

    const BLOCK: Operator<'_> = Operator::Block { blockty: BlockType::Empty };
    const LOOP: Operator<'_> = Operator::Loop { blockty: BlockType::Empty };
    const IF_: Operator<'_> = Operator::If { blockty: BlockType::Empty };
    const ADD: Operator<'_> = Operator::I32Add;
    const END: Operator<'_> = Operator::End;

    fn br_if(relative_depth: u32) -> Operator<'static> {
        Operator::BrIf { relative_depth }
    }

    #[test]
    fn a_straight_line_costs_its_operators() {
        assert_eq!(of(&[ADD, ADD, END]), [2.0]);
        assert_eq!(of(&[Operator::Call { function_index: 0 }, ADD, END]), [CALL + 5.0 + 1.0]);
    }

    #[test]
    fn what_follows_a_branch_is_less_probable() {
        // 1 + br_if, then three quarters of two.
        assert_eq!(of(&[BLOCK, ADD, br_if(0), ADD, ADD, END, ADD, END]), [1.0 + 1.0 + 1.5 + 1.0]);
        assert_eq!(of(&[IF_, ADD, ADD, Operator::Else, ADD, END, ADD, END]), [1.0 + 1.0 + 0.5 + 1.0]);
        assert_eq!(of(&[IF_, Operator::Unreachable, END, ADD, END]), [1.0 + 0.5]);
    }

    #[test]
    fn a_loop_is_a_piece_of_its_own() {
        assert_eq!(of(&[ADD, LOOP, ADD, ADD, br_if(0), END, ADD, END]), [2.0, 3.0]);
        // However it is left, what is behind it happens once.
        let leaves = [BLOCK, ADD, LOOP, ADD, br_if(1), Operator::Br { relative_depth: 0 }, END, END, ADD, END];
        assert_eq!(of(&leaves)[0], 2.0);
    }
}
