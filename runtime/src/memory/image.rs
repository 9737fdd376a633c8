//! The image that the linear memory of a sandbox begins as.

use super::PAGE;
use super::region::Region;
use std::fs::File;
use std::io;

/// Where a large folio of the page cache can be mapped as a whole: then a slot is populated much faster.
pub(super) const LARGE: usize = 2 << 20;

/// An image: an open file that never changes, and its bytes.
#[derive(Debug)]
pub(crate) struct Image {
    /// Empty for an interpreter whose machine code writes the initial memory itself.
    file: File,
    length: usize,
    bytes: Region,
}

impl Image {
    /// Maps the whole file, to be copied from.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        if rustix::param::page_size() != PAGE {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the pages of this machine do not have 4 KiB"));
        }
        // Not by the standard library, whose system call a locked process cannot make.
        let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(usize::MAX);
        if !length.is_multiple_of(PAGE) || length > super::RESERVED {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the image is not whole pages of a 32-bit memory"));
        }
        let mut bytes = Region::reserve(length, 0, LARGE)?;
        if length > 0 {
            bytes.map_file(0..length, &file, false)?;
        }
        Ok(Image { file, length, bytes })
    }

    /// An image of no bytes: for tests.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        let file = rustix::fs::memfd_create("no-image", rustix::fs::MemfdFlags::CLOEXEC).expect("a file");
        Image::new(File::from(file)).expect("an image")
    }

    /// Returns the file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Returns its length in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Returns its bytes.
    pub(super) fn bytes(&self) -> &Region {
        &self.bytes
    }
}
