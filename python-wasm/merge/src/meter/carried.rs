//! Which locals a loop carries: those that it reads, as far as the value that they have at the start of a pass matters.

use anyhow::{Context, Result};
use wasmparser::Operator;

/// A set of locals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Locals(Vec<u64>);

impl Locals {
    fn none(count: u32) -> Self {
        Locals(vec![0; count.div_ceil(64) as usize])
    }

    fn add(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word |= 1 << (local % 64);
        }
    }

    fn remove(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word &= !(1 << (local % 64));
        }
    }

    fn join(&mut self, other: &Locals) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    fn common(&self, other: &Locals) -> Locals {
        Locals(self.0.iter().zip(&other.0).map(|(word, other)| word & other).collect())
    }

    /// The locals, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let words = (0_u32..).zip(&self.0);
        words.flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }
}

/// What is known of a loop.
#[derive(Clone, PartialEq)]
struct Loop {
    /// The locals whose values at its start are read later.
    needed: Locals,
    /// The locals that are read in it.
    read: Locals,
}

/// Returns what each loop of a function carries, in the order of their starts. `count` is the number of the function's locals.
pub fn carried(operators: &[Operator<'_>], count: u32) -> Result<Vec<Locals>> {
    let ends = ends(operators)?;
    let unknown = Loop { needed: Locals::none(count), read: Locals::none(count) };
    let mut loops = vec![unknown; operators.iter().filter(|operator| is_loop(operator)).count()];
    // What a loop needs depends on what it needs in its next pass. Nothing is taken away again, so this ends.
    loop {
        let before = loops.clone();
        Walk { count, frames: Vec::new(), here: Locals::none(count) }.walk(operators, &ends, &mut loops)?;
        if loops == before {
            return Ok(loops.into_iter().map(|known| known.needed.common(&known.read)).collect());
        }
    }
}

fn is_loop(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Loop { .. })
}

/// For each `end`, in their order, the number of the loop that it ends; none where it ends something else.
fn ends(operators: &[Operator<'_>]) -> Result<Vec<Option<usize>>> {
    let (mut open, mut ends, mut loops) = (vec![None], Vec::new(), 0);
    for operator in operators {
        match operator {
            Operator::Loop { .. } => {
                open.push(Some(loops));
                loops += 1;
            }
            Operator::Block { .. } | Operator::If { .. } => open.push(None),
            Operator::End => ends.push(open.pop().context("an end without a start")?),
            _ => {}
        }
    }
    Ok(ends)
}

/// A block, loop or `if`, seen from its end.
struct Frame {
    /// The number of the loop.
    is_loop: Option<usize>,
    /// What is needed behind it.
    behind: Locals,
    /// What the second part of an `if` needs.
    otherwise: Option<Locals>,
    read: Locals,
}

/// The walk through a function from its end to its start.
struct Walk {
    count: u32,
    frames: Vec<Frame>,
    /// The locals whose values are read later.
    here: Locals,
}

impl Walk {
    fn walk(mut self, operators: &[Operator<'_>], ends: &[Option<usize>], loops: &mut [Loop]) -> Result<()> {
        let mut ends = ends.iter().rev();
        for operator in operators.iter().rev() {
            match operator {
                Operator::End => {
                    let is_loop = *ends.next().context("an end too many")?;
                    let (behind, read) = (self.here.clone(), Locals::none(self.count));
                    self.frames.push(Frame { is_loop, behind, otherwise: None, read });
                }
                Operator::Block { .. } => _ = self.start()?,
                Operator::Loop { .. } => {
                    let frame = self.start()?;
                    let known = frame.is_loop.and_then(|number| loops.get_mut(number)).context("a loop too many")?;
                    *known = Loop { needed: self.here.clone(), read: frame.read };
                }
                Operator::Else => {
                    let frame = self.frames.last_mut().context("an else without an end")?;
                    frame.otherwise = Some(std::mem::replace(&mut self.here, frame.behind.clone()));
                }
                Operator::If { .. } => {
                    let frame = self.start()?;
                    self.here.join(&frame.otherwise.unwrap_or(frame.behind));
                }
                Operator::Br { relative_depth } => self.here = self.target(loops, *relative_depth)?,
                Operator::BrIf { relative_depth } => {
                    let target = self.target(loops, *relative_depth)?;
                    self.here.join(&target);
                }
                Operator::BrTable { targets } => {
                    self.here = self.target(loops, targets.default())?;
                    for depth in targets.targets() {
                        let target = self.target(loops, depth?)?;
                        self.here.join(&target);
                    }
                }
                Operator::Return | Operator::Unreachable => self.here = Locals::none(self.count),
                Operator::LocalGet { local_index } => {
                    self.here.add(*local_index);
                    self.frames.last_mut().context("an operator behind the end")?.read.add(*local_index);
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    self.here.remove(*local_index);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Leaves a block, loop or `if` at its start.
    fn start(&mut self) -> Result<Frame> {
        let frame = self.frames.pop().context("a start without an end")?;
        if let Some(around) = self.frames.last_mut() {
            around.read.join(&frame.read);
        }
        Ok(frame)
    }

    /// What is needed where a branch leads.
    fn target(&self, loops: &[Loop], depth: u32) -> Result<Locals> {
        let at = self.frames.len().checked_sub(1 + depth as usize).context("a branch to nowhere")?;
        let frame = self.frames.get(at).context("a branch to nowhere")?;
        let again = frame.is_loop.and_then(|number| loops.get(number));
        Ok(again.map_or_else(|| frame.behind.clone(), |again| again.needed.clone()))
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::BlockType;

    use super::*;

    const BLOCK: Operator<'_> = Operator::Block { blockty: BlockType::Empty };
    const LOOP: Operator<'_> = Operator::Loop { blockty: BlockType::Empty };
    const IF: Operator<'_> = Operator::If { blockty: BlockType::Empty };
    const END: Operator<'_> = Operator::End;

    fn get(local_index: u32) -> Operator<'static> {
        Operator::LocalGet { local_index }
    }

    fn set(local_index: u32) -> Operator<'static> {
        Operator::LocalSet { local_index }
    }

    fn br_if(relative_depth: u32) -> Operator<'static> {
        Operator::BrIf { relative_depth }
    }

    fn of(operators: &[Operator<'_>]) -> Vec<Vec<u32>> {
        let carried = carried(operators, 200).expect("walks");
        carried.iter().map(|locals| locals.iter().collect()).collect()
    }

    #[test]
    fn a_loop_carries_what_it_reads_before_it_writes_it() {
        assert_eq!(of(&[LOOP, get(3), set(4), get(4), get(130), br_if(0), END, END]), [[3, 130]]);
        // What is only read behind it is not carried, though it is needed.
        assert_eq!(of(&[LOOP, get(3), br_if(0), END, get(5), END]), [[3]]);
        // Written on one way only: the old value matters on the other.
        assert_eq!(of(&[LOOP, get(0), IF, set(1), END, get(1), br_if(0), END, END]), [[0, 1]]);
        let both = [LOOP, get(0), IF, set(1), Operator::Else, set(1), END, get(1), br_if(0), END, END];
        assert_eq!(of(&both), [[0]]);
    }

    #[test]
    fn what_the_next_pass_reads_is_carried_by_this_one() {
        // The second loop reads 1, and the first one begins it again.
        assert_eq!(of(&[LOOP, get(0), set(2), LOOP, get(1), br_if(0), END, br_if(0), END, END]), [vec![0, 1], vec![1]]);
        // Read behind the branch that begins the next pass.
        assert_eq!(of(&[LOOP, get(0), br_if(0), get(7), set(8), END, END]), [[0, 7]]);
    }

    #[test]
    fn a_branch_needs_what_its_target_needs() {
        let leaves = [BLOCK, LOOP, get(0), br_if(1), set(1), Operator::Br { relative_depth: 0 }, END, END, get(1), END];
        // 1 is needed behind the block, but not read in the loop.
        assert_eq!(of(&leaves), [[0]]);
        let ends = [LOOP, get(0), IF, Operator::Return, END, Operator::Unreachable, END, get(3), END];
        assert_eq!(of(&ends), [[0]]);
    }
}
