//! The settings of Wasmtime, narrowed to the needs of one guest.

use crate::memory::{self, Creator, Slots, Stacks};
use std::sync::Arc;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, Strategy};

/// Sandboxes that one process can hold at once with their memory, waiting ones included.
pub(crate) const SLOTS: usize = 256;
/// Runs that one process can have, those included whose memory is away: each reserves 4 GiB of its addresses.
pub(crate) const RUNS: usize = 8_192;
/// Stack of the guest's machine code. CPython limits its recursion by a stack of its own inside linear memory, of which
/// the harness lets it use 256 KiB (`memory.limit_recursion`). This stack must be large enough for the same frames.
const WASM_STACK: usize = 8 << 20;
/// Stack of a sandbox: the guest's, and above it the stack of host calls, whose overflow would abort the process.
const ASYNC_STACK: usize = WASM_STACK + (2 << 20);

/// Returns the settings that the machine code depends on. The name of the cached file depends on this source.
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // The guest counts its own work and says which of its branches for that are seldom taken.
        .wasm_branch_hinting(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // A stack is cleared before the next guest gets it.
        .async_stack_zeroing(true)
        // What the room `memory` gives: the machine code leaves out the checks that these make unnecessary.
        .memory_reservation(memory::RESERVED as u64)
        .memory_guard_size(memory::GUARD as u64)
        .guard_before_linear_memory(true)
        .memory_may_move(false)
        // A guest that brings data segments writes them itself.
        .memory_init_cow(false)
        // Features that the guest does not use are off: most advisories are about such features.
        .concurrency_support(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_relaxed_simd(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        // No script sees a wasm backtrace, and unwinding never crosses guest frames.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}

/// Makes an engine that only compiles.
pub(crate) fn compiler() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// Makes an engine that only compiles, for the processors of a target that have these features.
pub(crate) fn compiler_for(target: &str, features: impl Iterator<Item = &'static str>) -> wasmtime::Result<Engine> {
    let mut config = config();
    config.target(target)?;
    for feature in features {
        // SAFETY: The flags say which instructions may be used, and not what they do. The machine code has the list of
        // them in it, and Wasmtime loads it only where the processor has them all.
        unsafe {
            config.cranelift_flag_enable(feature);
        }
    }
    Engine::new(&config)
}

/// Makes an engine that runs sandboxes, with memories and stacks from these.
pub(crate) fn runner(slots: Arc<Slots>, stacks: Stacks) -> wasmtime::Result<Engine> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config.with_host_memory(Arc::new(Creator(slots))).with_host_stack(Arc::new(stacks));
    Engine::new(&config)
}
