//! A regular file, with its bytes in chunks.
//!
//! With chunks no operation moves or clears a whole file: the work of a call is limited by its bytes and about two
//! chunks. Bytes that were never written take no memory of the host, but the run pays for them.

use super::device::Device;
use super::quota::{Charge, NODE_COST};
use super::shared::{FileError, Nanos, Result, Times, lock};
use crate::bundle::Bundle;
use crate::meter::Meter;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;

/// A regular file.
pub(crate) struct File {
    pub(super) id: u64,
    pub(super) times: Mutex<Times>,
    content: Mutex<Content>,
    quota: Option<Charge>,
}

enum Content {
    /// A part of a bundle: read-only.
    Sealed(Arc<Bundle>, Range<usize>),
    Owned(Chunks),
    /// A device, which keeps nothing.
    Device(Device),
}

impl File {
    /// Makes a read-only file of a part of a bundle. The run does not pay for it.
    pub(super) fn sealed(id: u64, bundle: Arc<Bundle>, range: Range<usize>, times: Times) -> Self {
        File { id, times: Mutex::new(times), content: Mutex::new(Content::Sealed(bundle, range)), quota: None }
    }

    /// Makes an empty file that can be written.
    pub(super) fn empty(id: u64, charge: Charge, times: Times) -> Self {
        let content = Mutex::new(Content::Owned(Chunks::default()));
        File { id, times: Mutex::new(times), content, quota: Some(charge) }
    }

    /// Makes a device. The run does not pay for it, and its times never change.
    pub(super) fn device(id: u64, device: Device, times: Times) -> Self {
        File { id, times: Mutex::new(times), content: Mutex::new(Content::Device(device)), quota: None }
    }

    /// Returns the device, when the file is one.
    pub(super) fn as_device(&self) -> Option<Device> {
        match &*self.content() {
            Content::Device(device) => Some(*device),
            Content::Sealed(..) | Content::Owned(_) => None,
        }
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> u64 {
        match &*self.content() {
            Content::Sealed(_, range) => range.len() as u64,
            Content::Owned(chunks) => chunks.size as u64,
            Content::Device(_) => 0,
        }
    }

    /// Reads at most `length` bytes from `offset`; fewer or none at the end.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let content = self.content();
        let size = match &*content {
            Content::Sealed(_, range) => range.len(),
            Content::Owned(chunks) => chunks.size,
            Content::Device(device) => return device.read(length),
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(size);
        let end = start.saturating_add(length).min(size);
        match &*content {
            Content::Sealed(bundle, range) => {
                let bytes = bundle.bytes().get(range.start + start..range.start + end);
                bytes.unwrap_or_default().to_vec()
            }
            Content::Owned(chunks) => chunks.read(start, end),
            Content::Device(_) => Vec::new(),
        }
    }

    /// Writes all bytes at `offset`. A gap before it is zeros, for which the run pays as for other bytes.
    pub(super) fn write(&self, offset: u64, bytes: &[u8], now: Nanos) -> Result<()> {
        if let Some(device) = self.as_device() {
            return device.write();
        }
        let end = offset.checked_add(bytes.len() as u64).ok_or(FileError::FileTooLarge)?;
        let (charge, mut content) = self.writable()?;
        let Content::Owned(chunks) = &mut *content else { return Err(FileError::ReadOnly) };
        if end > chunks.size as u64 {
            chunks.resize(granted(charge, end)?, charge.meter());
        }
        // The size was granted above or before, so that it fits.
        let start = usize::try_from(offset).map_err(|_| FileError::FileTooLarge)?;
        chunks.write(start, bytes, charge.meter());
        drop(content);
        self.touch(now);
        Ok(())
    }

    /// Writes at the end of the file.
    pub(super) fn append(&self, bytes: &[u8], now: Nanos) -> Result<()> {
        self.write(self.size(), bytes, now)
    }

    /// Truncates or extends the file.
    pub(super) fn set_size(&self, size: u64, now: Nanos) -> Result<()> {
        if self.as_device().is_some() {
            return Ok(());
        }
        let (charge, mut content) = self.writable()?;
        let Content::Owned(chunks) = &mut *content else { return Err(FileError::ReadOnly) };
        chunks.resize(granted(charge, size)?, charge.meter());
        drop(content);
        self.touch(now);
        Ok(())
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        if self.quota.is_some() || self.as_device().is_some() { Ok(()) } else { Err(FileError::ReadOnly) }
    }

    fn writable(&self) -> Result<(&Charge, MutexGuard<'_, Content>)> {
        let charge = self.quota.as_ref().ok_or(FileError::ReadOnly)?;
        Ok((charge, self.content()))
    }

    fn touch(&self, now: Nanos) {
        let mut times = lock(&self.times);
        times.modified = now;
        times.changed = now;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        lock(&self.content)
    }
}

/// Takes a file's new size from the quota, before memory is allocated.
fn granted(charge: &Charge, size: u64) -> Result<usize> {
    let length = usize::try_from(size).map_err(|_| FileError::FileTooLarge)?;
    charge.resize(size.saturating_add(NODE_COST))?;
    Ok(length)
}

/// The bytes of a file that can be written.
#[derive(Default)]
struct Chunks {
    size: usize,
    /// One for each [`CHUNK`] of the size. Each has the bytes up to the last written one; the rest is zeros.
    chunks: Vec<Vec<u8>>,
}

impl Chunks {
    /// Reads the bytes from `start` to `end`, which are within the size.
    fn read(&self, start: usize, end: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(end - start);
        for (chunk, part) in parts(start, end) {
            let held = self.chunks.get(chunk).map_or(&[][..], Vec::as_slice);
            bytes.extend_from_slice(&held[part.start.min(held.len())..part.end.min(held.len())]);
            let zeros = part.len() - (part.end.min(held.len()) - part.start.min(held.len()));
            bytes.resize(bytes.len() + zeros, 0);
        }
        bytes
    }

    /// Writes bytes within the size.
    fn write(&mut self, start: usize, bytes: &[u8], meter: &Meter) {
        let mut rest = bytes;
        for (chunk, part) in parts(start, start + bytes.len()) {
            let (now, later) = rest.split_at(part.len());
            rest = later;
            let Some(held) = self.chunks.get_mut(chunk) else { return };
            if part.end > held.len() {
                meter.bytes(part.start.saturating_sub(held.len()));
                // Doubling the capacity could take twice the granted size.
                let more = part.end - held.len();
                if part.end > held.capacity() {
                    meter.bytes(held.len());
                    held.reserve_exact(more.max(held.len() / 8).min(CHUNK - held.len()));
                }
                held.resize(part.end, 0);
            }
            held[part].copy_from_slice(now);
        }
        meter.bytes(bytes.len());
    }

    /// Truncates or extends to `size`, which was granted.
    fn resize(&mut self, size: usize, meter: &Meter) {
        let chunks = size.div_ceil(CHUNK);
        let (fewer, more) = (self.chunks.len().saturating_sub(chunks), chunks.saturating_sub(self.chunks.len()));
        meter.bytes(more * size_of::<Vec<u8>>());
        meter.things(self.chunks.iter().rev().take(fewer).filter(|chunk| !chunk.is_empty()).count());
        meter.bytes(fewer * size_of::<Vec<u8>>());
        self.chunks.resize_with(chunks, Vec::new);
        if fewer > 0 {
            self.chunks.shrink_to(chunks * 2);
        }
        if let (true, Some(last)) = (size < self.size, self.chunks.last_mut()) {
            last.truncate(size - (chunks - 1) * CHUNK);
            if last.len() < last.capacity() / 2 {
                meter.bytes(last.len());
                last.shrink_to_fit();
            }
        }
        self.size = size;
    }
}

/// Returns the chunks of a range of bytes, each with the range inside it.
fn parts(start: usize, end: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (start / CHUNK..end.div_ceil(CHUNK).max(start / CHUNK)).map(move |chunk| {
        let first = chunk * CHUNK;
        (chunk, start.saturating_sub(first)..(end - first).min(CHUNK))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file of one long vector would hold after the same.
    fn same(chunks: &Chunks, plain: &[u8]) {
        assert_eq!(chunks.size, plain.len());
        assert_eq!(chunks.read(0, plain.len()), plain);
        assert!(chunks.chunks.iter().all(|chunk| chunk.capacity() <= CHUNK));
        assert_eq!(chunks.chunks.len(), plain.len().div_ceil(CHUNK));
    }

    #[test]
    fn chunks_are_one_file() {
        let meter = Meter::default();
        let (mut chunks, mut plain) = (Chunks::default(), Vec::new());
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for round in 0..600 {
            if round % 3 == 0 {
                let size = random(5 * CHUNK);
                chunks.resize(size, &meter);
                plain.resize(size, 0);
            } else {
                let start = random(4 * CHUNK);
                let bytes = vec![round as u8; random(2 * CHUNK)];
                let end = start + bytes.len();
                if end > chunks.size {
                    chunks.resize(end, &meter);
                    plain.resize(end, 0);
                }
                chunks.write(start, &bytes, &meter);
                plain[start..end].copy_from_slice(&bytes);
            }
            same(&chunks, &plain);
            let (one, other) = (random(plain.len() + 1), random(plain.len() + 1));
            let (start, end) = (one.min(other), one.max(other));
            assert_eq!(chunks.read(start, end), plain[start..end]);
        }
        chunks.resize(0, &meter);
        same(&chunks, &[]);
    }

    #[test]
    fn what_was_never_written_takes_no_memory_and_little_fuel() {
        let meter = Meter::default();
        let mut chunks = Chunks::default();
        chunks.resize(1 << 30, &meter);
        assert!(chunks.chunks.iter().all(|chunk| chunk.capacity() == 0));
        assert!(meter.take() < 2_000_000);
        chunks.write((1 << 30) - 1, b"x", &meter);
        assert!(meter.take() >= CHUNK as u64, "the zeros before the byte are paid for");
        assert_eq!(chunks.read((1 << 30) - 3, 1 << 30), b"\0\0x");
        chunks.resize(0, &meter);
        assert!(meter.take() >= 1_000);
    }

    #[test]
    fn small_files_take_about_what_they_hold() {
        let meter = Meter::default();
        let mut chunks = Chunks::default();
        for n in 0..20_000 {
            chunks.resize(n + 1, &meter);
            chunks.write(n, b"x", &meter);
        }
        assert!(chunks.chunks[0].capacity() < 20_000 * 9 / 8 + 1);
    }
}
