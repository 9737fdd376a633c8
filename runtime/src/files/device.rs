//! What stands under `/dev`: the few devices that programs expect everywhere.

use super::shared::{FileError, Result};
use rustix::rand::{GetRandomFlags, getrandom};

/// A device without a place for content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Ends at once when it is read; takes every write.
    Null,
    /// Zeros without end; takes every write.
    Zero,
    /// Zeros without end; a write finds no room.
    Full,
    /// Random bytes without end; takes every write.
    Random,
}

impl Device {
    /// All of them, by their names under `/dev`.
    pub(super) const ALL: [(&str, Device); 5] = [
        ("full", Device::Full),
        ("null", Device::Null),
        ("random", Device::Random),
        ("urandom", Device::Random),
        ("zero", Device::Zero),
    ];

    /// What a read of at most `length` bytes brings.
    pub(super) fn read(self, length: usize) -> Vec<u8> {
        match self {
            Device::Null => Vec::new(),
            Device::Zero | Device::Full => vec![0; length],
            Device::Random => random(length),
        }
    }

    /// Takes bytes, or says that there is no room.
    pub(super) fn write(self) -> Result<()> {
        if self == Device::Full { Err(FileError::InsufficientSpace) } else { Ok(()) }
    }
}

/// Random bytes; fewer when the system has no more to give.
fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(got) if got > 0 => filled += got,
            Err(rustix::io::Errno::INTR) => {}
            _ => break,
        }
    }
    bytes.truncate(filled);
    bytes
}
