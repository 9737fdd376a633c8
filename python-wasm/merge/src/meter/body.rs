//! Writes one function again, with its charges.

use anyhow::{Context, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, BranchHint, Function, ValType};
use wasmparser::Operator;

use super::carried::{Locals, carried};
use super::layout::{KEPT, Layout};
use super::plan::{Charge, Charges};
use crate::code::Defined;

/// A branch that is seldom taken. Machine code for it goes out of the way.
const SELDOM: u32 = 0;

/// Most locals that a loop keeps in globals while it looks. A loop that carries more has not enough registers for them anyway.
const MOST_KEPT: usize = 8;

/// A function with its charges, and the hints for its branches.
pub fn body(
    function: &Defined<'_>,
    parameters: &[wasmparser::ValType],
    charges: &Charges,
    layout: Layout,
) -> Result<(Function, Vec<BranchHint>)> {
    let mut renumber = Renumber(layout);
    let mut types = parameters.iter().map(|ty| renumber.val_type(*ty)).collect::<Result<Vec<_>, _>>()?;
    let mut locals = Vec::new();
    for (number, ty) in &function.locals {
        let ty = renumber.val_type(*ty)?;
        locals.push((*number, ty));
        types.extend(std::iter::repeat_n(ty, *number as usize));
    }
    let count = u32::try_from(types.len())?;
    let is_charged = charges.entry.is_some() || !charges.loops.is_empty();
    if is_charged {
        locals.push((1, ValType::I64));
    }
    let mut writer = Writer { out: Function::new(locals), hints: Vec::new(), layout, left: count };
    match charges.entry {
        Some(Charge { cost, looks: true }) => writer.take_and_look(cost, &[]),
        Some(Charge { cost, looks: false }) => writer.take(cost),
        None => {}
    }
    let mut loops = charges.loops.iter().zip(carried(&function.operators, count)?);
    let mut extra = charges.extra.iter().peekable();
    for (number, operator) in function.operators.iter().enumerate() {
        if let Some((_, cost)) = extra.next_if(|(before, _)| *before == number) {
            writer.take(*cost);
        }
        match operator {
            Operator::Loop { .. } => {
                writer.out.instruction(&renumber.instruction(operator.clone())?);
                let (price, carried) = loops.next().context("a loop without a price")?;
                writer.take_and_look(*price, &kept(&carried, &types, layout));
            }
            Operator::MemoryCopy { .. } => _ = writer.out.instructions().call(layout.copy()),
            Operator::MemoryFill { .. } => _ = writer.out.instructions().call(layout.fill()),
            Operator::MemoryGrow { .. } => _ = writer.out.instructions().call(layout.grow()),
            other => _ = writer.out.instruction(&renumber.instruction(other.clone())?),
        }
    }
    Ok((writer.out, writer.hints))
}

/// The locals that a loop keeps while it looks, each with its global.
fn kept(carried: &Locals, types: &[ValType], layout: Layout) -> Vec<(u32, u32)> {
    let mut kept = Vec::new();
    let mut numbers = [0; KEPT.len()];
    for local in carried.iter() {
        let ty = types.get(local as usize);
        let group = KEPT.iter().zip(&mut numbers).find(|(kept, _)| Some(*kept) == ty);
        let Some((ty, number)) = group else { continue };
        let Some(global) = layout.kept(*ty, *number) else { return Vec::new() };
        kept.push((local, global));
        *number += 1;
    }
    if kept.len() > MOST_KEPT {
        return Vec::new();
    }
    kept.sort_by_key(|(_, global)| *global);
    kept
}

/// Functions have other indexes in the metered module.
pub struct Renumber(pub Layout);

impl Reencode for Renumber {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(self.0.function(function))
    }
}

struct Writer {
    out: Function,
    hints: Vec<BranchHint>,
    layout: Layout,
    /// The local for what is left of the slice.
    left: u32,
}

impl Writer {
    /// Takes a price without a look.
    fn take(&mut self, price: i64) {
        let slice = self.layout.slice();
        self.out.instructions().global_get(slice).i64_const(price).i64_sub().global_set(slice);
    }

    /// Takes a price, and asks the host when the slice is used up. These locals are kept in these globals meanwhile.
    fn take_and_look(&mut self, price: i64, kept: &[(u32, u32)]) {
        let (slice, left) = (self.layout.slice(), self.left);
        let mut out = self.out.instructions();
        out.global_get(slice).i64_const(price).i64_sub().local_tee(left).global_set(slice);
        out.local_get(left).i64_const(0).i64_lt_s();
        let branch_func_offset = u32::try_from(self.out.byte_len()).unwrap_or(u32::MAX);
        self.hints.push(BranchHint { branch_func_offset, branch_hint_value: SELDOM });
        let mut out = self.out.instructions();
        out.if_(BlockType::Empty);
        kept.iter().for_each(|(local, global)| _ = out.local_get(*local).global_set(*global));
        out.call(self.layout.look());
        kept.iter().for_each(|(local, global)| _ = out.global_get(*global).local_set(*local));
        out.end();
    }
}
