//! The host's own heap in a sandbox process: what runs took there for files and output goes back to the kernel.
//!
//! glibc raises its threshold for separate mappings with every large block that is freed, so that files of many megabytes
//! end up in the heap and stay there; and it gives back only the heap's end. A process that serves thousands of runs
//! would keep what its hungriest one needed.

/// Blocks from this size on, in bytes, have a mapping of their own, whatever was freed before.
const SEPARATE: libc::c_int = 256 << 10;

/// To be called once, before anything large is allocated.
pub(crate) fn configure() {
    // SAFETY: called on the only thread; it changes two numbers inside the allocator and touches no memory of ours. What
    // it answers (whether the number was taken) changes nothing that matters.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, SEPARATE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SEPARATE);
    }
}

/// Gives free pages back to the kernel. Takes time in proportion to the heap: not for after every small run.
pub(crate) fn trim() {
    // SAFETY: it only releases pages that the allocator knows to be free.
    unsafe {
        libc::malloc_trim(0);
    }
}
