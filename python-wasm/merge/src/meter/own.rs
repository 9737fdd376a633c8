//! The functions that the meter adds.

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use super::layout::Layout;

/// Most bytes that are copied or filled at once.
const CHUNK: i32 = 256 << 10;
/// Units for making memory larger, and for each page of 64 KiB that it grows by, as a power of two.
const GROW: i64 = 1_000;
const PAGE_POWER: i64 = 8;
/// Units for what the host calls when it cannot be called itself: room for what it passes. Far more than is needed.
const QUIET: i64 = 100_000_000;

/// Asks the host for a slice. Within the guest's own memory management, which the host called, the host cannot be
/// called: then the interpreter is broken, since that takes a small part of what is allowed.
pub fn look(layout: Layout) -> Function {
    let mut function = Function::new([]);
    let mut out = function.instructions();
    out.global_get(layout.quiet()).if_(BlockType::Empty).unreachable().end();
    out.global_get(layout.slice()).call(layout.refuel()).global_set(layout.slice()).end();
    function
}

/// Calls an import, after what the calls before it cost was taken. After `refills`, what is left is other than before.
pub fn paid_import(layout: Layout, import: u32, parameters: u32, refills: bool) -> Function {
    let mut function = Function::new([]);
    let mut out = function.instructions();
    settle(&mut out, layout);
    (0..parameters).for_each(|parameter| _ = out.local_get(parameter));
    out.call(import);
    if refills {
        settle(&mut out, layout);
    }
    out.end();
    function
}

/// Begins a call of the host with the slice that the host has for it, and tells at its end what is left.
pub fn gate(layout: Layout, inner: u32, parameters: u32) -> Function {
    let mut function = Function::new([]);
    let mut out = function.instructions();
    settle(&mut out, layout);
    (0..parameters).for_each(|parameter| _ = out.local_get(parameter));
    out.call(inner);
    settle(&mut out, layout);
    out.end();
    function
}

/// The same for what is called while the host cannot be: what it uses is taken off the slice afterwards.
pub fn quiet_gate(layout: Layout, inner: u32, parameters: u32) -> Function {
    let (slice, quiet, before) = (layout.slice(), layout.quiet(), parameters);
    let mut function = Function::new([(1, ValType::I64)]);
    let mut out = function.instructions();
    out.global_get(slice).local_set(before).i64_const(QUIET).global_set(slice).i32_const(1).global_set(quiet);
    (0..parameters).for_each(|parameter| _ = out.local_get(parameter));
    out.call(inner).i32_const(0).global_set(quiet);
    out.global_get(slice).i64_const(QUIET).i64_sub().local_get(before).i64_add().global_set(slice).end();
    function
}

fn settle(out: &mut InstructionSink<'_>, layout: Layout) {
    out.global_get(layout.slice()).call(layout.settle()).global_set(layout.slice());
}

/// Takes as many units as the number in this local.
fn charge(out: &mut InstructionSink<'_>, layout: Layout, length: u32) {
    let slice = layout.slice();
    out.global_get(slice).local_get(length).i64_extend_i32_u().i64_sub().global_set(slice);
}

/// Looks, at the start of a loop.
fn look_in_loop(out: &mut InstructionSink<'_>, layout: Layout) {
    out.global_get(layout.slice()).i64_const(0).i64_lt_s().if_(BlockType::Empty).call(layout.look()).end();
}

/// `memory.copy` in chunks, each of which is charged: one unit for a byte.
pub fn copy(layout: Layout) -> Function {
    const TO: u32 = 0;
    const FROM: u32 = 1;
    const LENGTH: u32 = 2;
    const CHUNKED: u32 = 3;
    let mut function = Function::new([(1, ValType::I32)]);
    let mut out = function.instructions();
    out.i32_const(CHUNK).local_set(CHUNKED);
    out.block(BlockType::Empty);
    is_short(&mut out, LENGTH);
    out.br_if(0);
    // What does not fit traps as a whole, below.
    is_outside(&mut out, TO, LENGTH);
    out.br_if(0);
    is_outside(&mut out, FROM, LENGTH);
    out.br_if(0);
    out.local_get(TO).local_get(FROM).i32_le_u().if_(BlockType::Empty);
    out.loop_(BlockType::Empty);
    charge(&mut out, layout, CHUNKED);
    look_in_loop(&mut out, layout);
    out.local_get(TO).local_get(FROM).local_get(CHUNKED).memory_copy(0, 0);
    for pointer in [TO, FROM] {
        out.local_get(pointer).local_get(CHUNKED).i32_add().local_set(pointer);
    }
    shorten(&mut out, LENGTH, CHUNKED);
    is_short(&mut out, LENGTH);
    out.i32_eqz().br_if(0).end();
    // Where they overlap, the end goes first.
    out.else_().loop_(BlockType::Empty);
    charge(&mut out, layout, CHUNKED);
    look_in_loop(&mut out, layout);
    shorten(&mut out, LENGTH, CHUNKED);
    out.local_get(TO).local_get(LENGTH).i32_add().local_get(FROM).local_get(LENGTH).i32_add();
    out.local_get(CHUNKED).memory_copy(0, 0);
    is_short(&mut out, LENGTH);
    out.i32_eqz().br_if(0).end().end().end();
    charge(&mut out, layout, LENGTH);
    out.local_get(TO).local_get(FROM).local_get(LENGTH).memory_copy(0, 0).end();
    function
}

/// `memory.fill` in chunks, each of which is charged: one unit for a byte.
pub fn fill(layout: Layout) -> Function {
    const TO: u32 = 0;
    const VALUE: u32 = 1;
    const LENGTH: u32 = 2;
    const CHUNKED: u32 = 3;
    let mut function = Function::new([(1, ValType::I32)]);
    let mut out = function.instructions();
    out.i32_const(CHUNK).local_set(CHUNKED);
    out.block(BlockType::Empty);
    is_short(&mut out, LENGTH);
    out.br_if(0);
    is_outside(&mut out, TO, LENGTH);
    out.br_if(0);
    out.loop_(BlockType::Empty);
    charge(&mut out, layout, CHUNKED);
    look_in_loop(&mut out, layout);
    out.local_get(TO).local_get(VALUE).local_get(CHUNKED).memory_fill(0);
    out.local_get(TO).local_get(CHUNKED).i32_add().local_set(TO);
    shorten(&mut out, LENGTH, CHUNKED);
    is_short(&mut out, LENGTH);
    out.i32_eqz().br_if(0).end().end();
    charge(&mut out, layout, LENGTH);
    out.local_get(TO).local_get(VALUE).local_get(LENGTH).memory_fill(0).end();
    function
}

/// Whether one chunk is enough.
fn is_short(out: &mut InstructionSink<'_>, length: u32) {
    out.local_get(length).i32_const(CHUNK).i32_le_u();
}

/// Whether a range goes beyond the memory.
fn is_outside(out: &mut InstructionSink<'_>, start: u32, length: u32) {
    out.local_get(start).i64_extend_i32_u().local_get(length).i64_extend_i32_u().i64_add();
    out.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl().i64_gt_u();
}

fn shorten(out: &mut InstructionSink<'_>, length: u32, by: u32) {
    out.local_get(length).local_get(by).i32_sub().local_set(length);
}

/// `memory.grow`, charged.
pub fn grow(layout: Layout) -> Function {
    const PAGES: u32 = 0;
    const BEFORE: u32 = 1;
    let slice = layout.slice();
    let mut function = Function::new([(1, ValType::I32)]);
    let mut out = function.instructions();
    out.global_get(slice).i64_const(GROW).i64_sub().global_set(slice);
    out.local_get(PAGES).memory_grow(0).local_tee(BEFORE).i32_const(-1).i32_ne().if_(BlockType::Empty);
    out.global_get(slice).local_get(PAGES).i64_extend_i32_u().i64_const(PAGE_POWER).i64_shl().i64_sub();
    out.global_set(slice).end().local_get(BEFORE).end();
    function
}
