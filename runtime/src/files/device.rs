//! The devices under `/dev` that programs expect everywhere.

use super::shared::{FileError, Result};
use rustix::rand::{GetRandomFlags, getrandom};

/// A device. It keeps no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Reads as empty; accepts every write.
    Null,
    /// Reads as zeros without end; accepts every write.
    Zero,
    /// Reads as zeros without end; a write fails for lack of space.
    Full,
    /// Reads as random bytes without end; accepts every write.
    Random,
}

impl Device {
    /// All devices, by their names under `/dev`.
    pub(super) const ALL: [(&str, Device); 5] = [
        ("full", Device::Full),
        ("null", Device::Null),
        ("random", Device::Random),
        ("urandom", Device::Random),
        ("zero", Device::Zero),
    ];

    /// Reads at most `length` bytes.
    pub(super) fn read(self, length: usize) -> Vec<u8> {
        match self {
            Device::Null => Vec::new(),
            Device::Zero | Device::Full => vec![0; length],
            Device::Random => random(length),
        }
    }

    /// Accepts or refuses a write.
    pub(super) fn write(self) -> Result<()> {
        if self == Device::Full { Err(FileError::InsufficientSpace) } else { Ok(()) }
    }
}

/// Returns random bytes; fewer when the system gives no more.
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
