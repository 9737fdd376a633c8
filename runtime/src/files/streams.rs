//! Streams for reading and writing a file.

use super::device::Device;
use super::file::File;
use super::quota::Quota;
use super::shared::{FileError, Nanos};
use crate::budget::HeldMemory;
use crate::meter::Meter;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult, InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Most bytes of one read.
pub(super) const MAX_READ: usize = 256 << 10;

/// Most bytes of one write.
pub(super) const WRITE_PERMIT: usize = 256 << 10;

/// A stream that reads a file from an offset.
pub(super) struct Reader {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) meter: Arc<Meter>,
    pub(super) _held: HeldMemory,
}

impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.file.read(self.offset, size.min(MAX_READ));
        pay_for_read(&self.meter, &self.file, bytes.len());
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        Ok(bytes.into())
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {}
}

/// A stream that writes a file from an offset, or at its end.
pub(super) struct Writer {
    pub(super) file: Arc<File>,
    pub(super) offset: Option<u64>,
    pub(super) meter: Arc<Meter>,
    pub(super) _held: HeldMemory,
}

impl Writer {
    pub(super) fn new(file: Arc<File>, offset: Option<u64>, quota: &Quota) -> FsResult<Self> {
        Ok(Writer { file, offset, meter: quota.meter().clone(), _held: quota.handle()? })
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.meter.bytes(bytes.len());
        if bytes.len() > WRITE_PERMIT {
            return Err(StreamError::trap("a write of more bytes than were permitted"));
        }
        let written = match self.offset {
            Some(offset) => self.file.write(offset, &bytes, now()),
            None => self.file.append(&bytes, now()),
        };
        written.map_err(|error| StreamError::LastOperationFailed(StreamFailure(error).into()))?;
        self.offset = self.offset.map(|offset| offset.saturating_add(bytes.len() as u64));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

/// A file error inside a stream's error, for `filesystem-error-code`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
pub(super) struct StreamFailure(pub(super) FileError);

impl From<FileError> for ErrorCode {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NoEntry => ErrorCode::NoEntry,
            FileError::Exist => ErrorCode::Exist,
            FileError::NotDirectory => ErrorCode::NotDirectory,
            FileError::IsDirectory => ErrorCode::IsDirectory,
            FileError::NotEmpty => ErrorCode::NotEmpty,
            FileError::ReadOnly => ErrorCode::ReadOnly,
            FileError::NotPermitted => ErrorCode::NotPermitted,
            FileError::NameTooLong => ErrorCode::NameTooLong,
            FileError::InsufficientSpace => ErrorCode::InsufficientSpace,
            // wasi:filesystem has no code for "too many open files"; the errno text of this code is the closest.
            FileError::TooManyOpen | FileError::InsufficientMemory => ErrorCode::InsufficientMemory,
            FileError::FileTooLarge => ErrorCode::FileTooLarge,
            FileError::CrossDevice => ErrorCode::CrossDevice,
            FileError::Invalid => ErrorCode::Invalid,
            FileError::Loop => ErrorCode::Loop,
        }
    }
}

impl From<FileError> for FsError {
    fn from(error: FileError) -> Self {
        ErrorCode::from(error).into()
    }
}

/// Charges a read of a file.
pub(super) fn pay_for_read(meter: &Meter, file: &File, bytes: usize) {
    meter.bytes(bytes);
    if file.as_device() == Some(Device::Random) {
        meter.random(bytes as u64);
    }
}

pub(super) fn now() -> Nanos {
    // When the host's clock is before 1970, the guest sees 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
