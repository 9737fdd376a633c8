//! Makes a component of the merged module.

use anyhow::{Result, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::WorldKey;

use crate::split::INITIALISER;

/// A component of `module` with the world of `component`, but for the interface that was used to make the snapshot.
pub fn wrap(component: &[u8], mut module: Vec<u8>) -> Result<Vec<u8>> {
    let DecodedWasm::Component(mut resolve, world) = wit_component::decode(component)? else {
        bail!("the first file is a WIT package, not a component");
    };
    let exports = &mut resolve.worlds[world].exports;
    exports.shift_remove(&WorldKey::Name(INITIALISER.to_owned()));
    ensure!(!exports.is_empty(), "the component exports nothing");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}
