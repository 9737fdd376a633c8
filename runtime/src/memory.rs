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
//! # What the machine code relies on
//!
//! It checks no bounds: a 32-bit address plus a 32-bit offset is less than 8 GiB, of which Wasmtime's settings say that
//! 4 GiB are reserved for the memory and that guards follow ([`crate::engine`]; it checks offsets that are larger than a
//! guard). Here each slot reserves exactly that, with a guard on either side, and pages beyond the memory's size have no
//! access rights.

mod hot_pages;
mod image;
mod pagemap;
mod region;
mod shelf;
mod slots;
mod stacks;

pub(crate) use image::Image;
pub(crate) use shelf::Stretch;
pub(crate) use slots::{BASE, Checks, Creator, Slots};
pub(crate) use stacks::Stacks;

/// Names an image of a process.
pub(crate) type ImageNumber = u64;
/// Bytes of a page of the kernel. Machines with other pages are refused when the image is mapped.
pub(crate) const PAGE: usize = 4096;
/// Addresses that are reserved for each linear memory, in bytes.
pub(crate) const RESERVED: usize = 4 << 30;
/// Addresses without access rights on either side of a linear memory, in bytes.
pub(crate) const GUARD: usize = 32 << 20;
