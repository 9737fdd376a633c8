//! Takes the initial memory out of a core module.
//!
//! The runtime maps the memory of its sandboxes from a file of its own, so it needs the initial memory as an image, and a
//! module without data segments. The component carries the image, packed, in a custom section.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use wasmparser::{DataKind, Payload};

use crate::module::{Edit, constant, rewrite};

/// The name of the custom section.
pub const SECTION: &str = "cronbox:image";
/// Bytes of a page of a linear memory.
const PAGE: u64 = 64 << 10;

/// The module without its data segments, and its initial memory.
pub fn take_out(module: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut image: Option<Vec<u8>> = None;
    let module = rewrite(module, |payload, _| match payload {
        Payload::MemorySection(section) => {
            for memory in section {
                ensure!(image.is_none(), "the module has more than one memory");
                image = Some(vec![0; usize::try_from(memory?.initial * PAGE)?]);
            }
            Ok(Edit::Keep)
        }
        Payload::StartSection { .. } => bail!("the module has a start function, which can change the initial memory"),
        Payload::DataSection(section) => {
            let image = image.as_mut().context("data segments without a memory")?;
            for (number, segment) in section.into_iter().enumerate() {
                let segment = segment?;
                let DataKind::Active { offset_expr, .. } = segment.kind else {
                    bail!("data segment {number} is passive: the module copies it when it runs");
                };
                let start = constant(&offset_expr)?
                    .with_context(|| format!("the place of data segment {number} is not a constant"))?;
                let start = start.cast_unsigned() as usize;
                let place = image.get_mut(start..start + segment.data.len());
                place
                    .with_context(|| format!("data segment {number} is outside the memory"))?
                    .copy_from_slice(segment.data);
            }
            Ok(Edit::Drop)
        }
        // Only instructions about passive segments need the count.
        Payload::DataCountSection { .. } => Ok(Edit::Drop),
        _ => Ok(Edit::Keep),
    })?;
    Ok((module, image.context("the module has no memory")?))
}

/// The content of the custom section.
pub fn pack(image: &[u8]) -> Result<Vec<u8>> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(image)?;
    Ok(packer.finish()?)
}

/// Returns the length of a packed image.
pub fn length(packed: &[u8]) -> Result<u64> {
    let length = std::io::copy(&mut ZlibDecoder::new(packed), &mut std::io::sink());
    length.context("the image cannot be unpacked")
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        ConstExpr as Offset, DataCountSection, DataSection, MemorySection, MemoryType, Module, StartSection,
    };

    use super::*;

    fn module(fill: impl FnOnce(&mut Module, &mut DataSection)) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut module = Module::new();
        module.section(&memories);
        let mut data = DataSection::new();
        fill(&mut module, &mut data);
        module.section(&DataCountSection { count: data.len() });
        module.section(&data);
        module.finish()
    }

    fn refusal(module: &[u8]) -> String {
        take_out(module).map_or_else(|error| format!("{error:#}"), |_| String::new())
    }

    #[test]
    fn segments_become_the_image() -> Result<()> {
        let module = module(|_, data| {
            data.active(0, &Offset::i32_const(5), *b"abc");
            data.active(0, &Offset::i32_const(0x1_fffe), *b"yz");
            data.active(0, &Offset::i32_const(6), *b"X");
        });
        let (bare, image) = take_out(&module)?;
        assert_eq!((image.len(), &image[4..9], &image[0x1_fffd..]), (0x2_0000, &b"\0aXc\0"[..], &b"\0yz"[..]));
        assert!(!bare.windows(2).any(|two| two == b"yz"));
        assert_eq!(take_out(&bare)?, (bare.clone(), vec![0; 0x2_0000]));
        assert_eq!(length(&pack(&image)?)?, 0x2_0000);
        Ok(())
    }

    #[test]
    fn what_could_change_the_memory_later_is_refused() {
        assert!(refusal(&module(|_, data| _ = data.passive(*b"a"))).contains("segment 0 is passive"));
        assert!(refusal(&module(|_, data| _ = data.active(0, &Offset::i32_const(-1), *b"a"))).contains("outside"));
        let start = |module: &mut Module, _: &mut DataSection| {
            module.section(&StartSection { function_index: 0 });
        };
        assert!(refusal(&module(start)).contains("start function"));
        assert!(refusal(&Module::new().finish()).contains("no memory"));
    }
}
