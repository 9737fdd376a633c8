//! The guest: an interpreter as a WebAssembly component, a copy of which runs in every sandbox.

use crate::guest_description::GuestDescription;
use flate2::read::ZlibDecoder;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::{fmt, fs, io};
use wasmparser::{Parser, Payload};

/// The custom section in which a component has its initial memory, packed (`python-wasm/merge/src/image.rs`).
const IMAGE: &str = "cronbox:image";
/// The largest linear memory of 32-bit addresses, in bytes.
const LARGEST: u64 = 1 << 32;

static BUILT_IN: &[u8] = include_bytes!(env!("CRONBOX_GUEST_WASM"));

/// The facts of the guest that was built in, as its recipe recorded them: a JSON object with versions and digests.
/// Empty when none was built in.
pub const GUEST_FACTS: &str = env!("CRONBOX_GUEST_FACTS");

/// A guest: a component of the world `sandbox` in `wit/sandbox.wit`, or of a part of it, as its description says.
///
/// What it compiles to is trusted machine code: give only guests that you or your build made. Its core module can have its
/// initial memory, packed by zlib, in the custom section `cronbox:image` of the component instead of in data segments; then
/// sandboxes start without writing it.
pub struct GuestComponent {
    bytes: Cow<'static, [u8]>,
    /// Names it among other guests.
    identity: String,
    description: GuestDescription,
}

impl GuestComponent {
    /// Returns the guest that was built into this program. There is one when `CRONBOX_GUEST` was set for the build.
    pub fn built_in() -> Option<Self> {
        let bytes = Cow::Borrowed(BUILT_IN);
        let description = GuestDescription::python();
        (!BUILT_IN.is_empty()).then(|| GuestComponent { bytes, identity: GUEST_FACTS.to_owned(), description })
    }

    /// Reads a guest from a file. It is taken for CPython, like the one that is built in.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        Ok(Self::from_bytes(fs::read(path)?))
    }

    /// Takes a guest as bytes. It is taken for CPython, like the one that is built in.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let identity = hex::encode(Sha256::digest(&bytes));
        GuestComponent { bytes: Cow::Owned(bytes), identity, description: GuestDescription::python() }
    }

    /// Sets the description, for another interpreter.
    pub fn with_description(mut self, description: GuestDescription) -> Self {
        self.description = description;
        self
    }

    pub(crate) fn description(&self) -> &GuestDescription {
        &self.description
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Unpacks the initial memory; none when the component has data segments instead.
    pub(crate) fn image(&self) -> io::Result<Option<Vec<u8>>> {
        for payload in Parser::new(0).parse_all(&self.bytes) {
            if let Payload::CustomSection(section) = payload.map_err(io::Error::other)?
                && section.name() == IMAGE
            {
                let mut image = Vec::new();
                ZlibDecoder::new(section.data()).take(LARGEST).read_to_end(&mut image)?;
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }
}

impl fmt::Debug for GuestComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestComponent").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}
