//! The host's heap in a sandbox process: memory of files and output goes back to the kernel.
//!
//! glibc raises its threshold for separate mappings with every large block that is freed. Files of many megabytes then
//! end up in the heap and stay there, because only the heap's end is given back. A process that serves thousands of
//! runs would keep the memory of the largest one.

/// Blocks from this size on, in bytes, always have a mapping of their own.
const SEPARATE: libc::c_int = 256 << 10;
/// Free bytes at the heap's end that are kept: what one run gives back the next one takes.
const KEPT: libc::c_int = 8 << 20;

/// Configures the allocator. Call it once, before any large allocation.
pub(crate) fn configure() {
    // SAFETY: called on the only thread; it changes two numbers inside the allocator and touches no other memory. The
    // result (whether the number was accepted) is not needed.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, SEPARATE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Gives free pages back to the kernel. The time grows with the heap, so it is not for every small run.
pub(crate) fn trim() {
    // SAFETY: it only releases pages that the allocator knows to be free.
    unsafe {
        libc::malloc_trim(0);
    }
}
