//! The settings of Wasmtime, narrowed to the needs of one guest.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig, Strategy,
    VariableOperatorCost,
};

/// Sandboxes that one process can hold at once, waiting ones included.
pub(crate) const SLOTS: u32 = 256;
/// Stack of the guest's machine code. CPython limits its recursion by a stack of its own inside linear memory, of which
/// the harness lets it use 256 KiB (`memory.limit_recursion`). This stack must be large enough for the same frames.
const WASM_STACK: usize = 8 << 20;
/// Stack of a sandbox: the guest's, and above it the stack of host calls, whose overflow would abort the process.
const ASYNC_STACK: usize = WASM_STACK + (2 << 20);
/// Bytes of a stack that are cleared when its sandbox ends; the rest goes back to the kernel.
const STACK_KEPT: usize = 64 << 10;
/// Core modules in a component that was not merged.
const CORE_MODULES: u32 = 40;

/// Returns the settings that the machine code depends on. The name of the cached file depends on this source.
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // A stack is cleared before the next guest gets it, and the pages of a deep recursion are given back.
        .async_stack_zeroing(true)
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

/// `memory.grow` costs more than other instructions, because the kernel must provide the pages.
fn operator_cost() -> OperatorCost {
    let variable = VariableOperatorCost { memory_grow_per_page: u8::MAX, ..VariableOperatorCost::new() };
    OperatorCost { variable, ..OperatorCost::new() }
}

/// Makes an engine that only compiles.
pub(crate) fn compiler() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// Makes an engine that runs sandboxes of at most `max_memory` bytes of linear memory each.
pub(crate) fn runner(max_memory: u64) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * CORE_MODULES)
        .total_memories(SLOTS)
        .total_tables(SLOTS * 4)
        .total_stacks(SLOTS)
        .max_core_instances_per_component(CORE_MODULES)
        .max_memories_per_component(1)
        .max_tables_per_component(4)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(32_768)
        .max_memory_size(usize::try_from(max_memory).unwrap_or(usize::MAX))
        // A page that was dirty and swapped out would reach the next sandbox of the slot (wasmtime PR 14357).
        .pagemap_scan(Enabled::No)
        .table_keep_resident(1 << 20)
        .async_stack_keep_resident(STACK_KEPT);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
