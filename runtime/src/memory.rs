//! The linear memories and the stacks of sandboxes.
//!
//! Every sandbox begins with the memory of an *image*: its guest's own, or that of a sandbox which has imported packages
//! ([`crate::images`]). All images of a process share its slots; those that wait belong to the images that were used last. A *slot* is a range of addresses in which an image is mapped, private and writable, all its life. When a sandbox ends, its slot is reset in place for the next one. Pages that
//! nearly every run writes are *hot*: they stay in memory as copies, and a reset overwrites them. So a small run has no
//! page fault at all.
//!
//! # Why nothing of a run reaches the next one
//!
//! Every page of a slot is one of these when a reset is done:
//!
//! 1. It is hot. The reset has overwritten it with the image's bytes, whatever it held ([`shelf`], `reset`).
//! 2. It is in the image, not hot, and still the file's page. A private mapping shows the file's bytes until a page is
//!    written, and the file never changes ([`crate::interpreter`],
//!    [`crate::images`]).
//! 3. It is in the image, not hot, and a copy that a run has made. Copies are in memory or in swap. The kernel tells both
//!    from pages of the file ([`pagemap`]), and the reset has dropped them, so that the page is the file's again.
//! 4. It is beyond the image. The reset has dropped all such pages and taken the right to use them away.
//!
//! The search for copies (3) is left out when this process has had no page fault since the slot was handed out: a page of
//! the file becomes a copy only in a page fault of this process, and the kernel counts every completed fault, also those
//! of the host's own writes and of system calls. No other process can write here: a sandbox process has one thread, and
//! its system call filter forbids `ptrace`, `process_vm_writev`, `userfaultfd` and `io_uring`. When the kernel does not
//! show a process its own pages, every reset after a fault drops all pages of the image.
//!
//! The list of hot pages only grows, so a page that was hot for one reset is hot for all later ones.
//!
//! One reset in a thousand (in debug builds every one) is checked: the whole slot is compared with the image. A
//! difference ends the process.
//!
//! # A sandbox that waits
//!
//! What a sandbox has changed in its memory, and its stack, can be packed while it waits in a host call, and the pages go
//! back to the kernel ([`parking`]). This is sound, and nothing of a run reaches another one, because:
//!
//! 1. Nobody uses the pages while they are away. The guest's code stands still in a host call, on a stack of its own that
//!    is away with its memory. The futures of host calls are on the heap: Wasmtime wants them boxed. The one way to go on
//!    with the call, or to end it, is through the future that owns it, and the value that packs is within that future
//!    (`sandbox::parked`): it makes everything whole before it polls the call, and the stack before it drops it. A call that
//!    is dropped unwinds its stack, which is host code, and runs no code of the guest: its memory is not used any more.
//! 2. Whoever touched them nevertheless would end the process: the addresses stay reserved, without access rights.
//! 3. Every page comes back as it was. Pages that are the image's come from the image, which never changes. All others are
//!    copies, in memory or in swap, and the kernel shows them ([`pagemap`]); each copy that differs from the image is
//!    packed whole, by what is different in it. Pages beyond the image and on the stack are compared with zeros. Between
//!    the search and the moment when the pages are given back the sandbox is not polled, or what was packed is dropped.
//! 4. Without the kernel's list of pages nothing is put away.
//! 5. Packed pages are in the host's heap, where no guest can read, and are overwritten when they are dropped; the compressor's
//!    window keeps the last ones until it packs others. A slot that is
//!    whole again is reset as any other: being made whole is page faults, so its copies are searched for. A slot whose memory
//!    is not whole when its sandbox ends is unmapped.
//!
//! A packed memory is a list of pages beside an image. So it could be written down, and be made whole in another place; the
//! packed stack could not, because it has addresses of this process.
//!
//! # What the machine code relies on
//!
//! It checks no bounds: a 32-bit address plus a 32-bit offset is less than 8 GiB, of which Wasmtime's settings say that
//! 4 GiB are reserved for the memory and that guards follow ([`crate::engine`]; it checks offsets that are larger than a
//! guard). Here each slot reserves exactly that, with a guard on either side, and pages beyond the memory's size have no
//! access rights.

mod hot_pages;
mod image;
mod packed;
mod pagemap;
mod parking;
mod place;
mod region;
mod shelf;
mod slots;
mod stacks;

pub(crate) use image::Image;
pub(crate) use parking::{Packing, Parking};
pub(crate) use place::Place;
pub(crate) use shelf::{Slot, Stretch};
pub(crate) use slots::{BASE, Checks, Creator, Slots};
pub(crate) use stacks::Stacks;
use std::io::Write;

/// Names an image of a process.
pub(crate) type ImageNumber = u64;
/// Bytes of a page of the kernel. Machines with other pages are refused when the image is mapped.
pub(crate) const PAGE: usize = 4096;
/// Addresses that are reserved for each linear memory, in bytes.
pub(crate) const RESERVED: usize = 4 << 30;
/// Addresses without access rights on either side of a linear memory, in bytes.
pub(crate) const GUARD: usize = 32 << 20;

/// Ends this process. Its standard error is the node's log.
fn end_process(why: &str) -> ! {
    let _ = writeln!(std::io::stderr(), "{why}: this process ends");
    std::process::abort();
}
