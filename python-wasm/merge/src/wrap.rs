//! Makes a component of the merged module.

use anyhow::{Result, bail, ensure};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::{Function, FunctionKind, Resolve, WorldId, WorldItem, WorldKey};

use crate::module::Module;
use crate::split::{INITIALISER, REST};
use crate::{image, meter};

/// A component of `module` with the world of `component`, without the interface that was used to make the snapshot, with those
/// of the meter, and with the function `rest` where the module has it. The initial memory is in a custom section at the end.
pub fn wrap(component: &[u8], module: Vec<u8>) -> Result<Vec<u8>> {
    let (mut module, image) = image::take_out(&module)?;
    let DecodedWasm::Component(mut resolve, world) = wit_component::decode(component)? else {
        bail!("the first file is a WIT package, not a component");
    };
    let exports = &mut resolve.worlds[world].exports;
    exports.shift_remove(&WorldKey::Name(INITIALISER.to_owned()));
    ensure!(!exports.is_empty(), "the component exports nothing");
    if Module::parse(&module)?.export(REST).is_some() {
        exports.insert(WorldKey::Name(REST.to_owned()), WorldItem::Function(rest()));
    }
    add_meter(&mut resolve, world)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let mut wrapped = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    let section = CustomSection { name: image::SECTION.into(), data: image::pack(&image)?.into() };
    section.append_to_component(&mut wrapped);
    Ok(wrapped)
}

/// A function without parameters and result.
fn rest() -> Function {
    Function {
        name: REST.to_owned(),
        kind: FunctionKind::Freestanding,
        params: Vec::new(),
        result: None,
        docs: Default::default(),
        stability: Default::default(),
        span: Default::default(),
        external_id: None,
    }
}

/// Adds the meter's imports and its export to a world.
fn add_meter(resolve: &mut Resolve, world: WorldId) -> Result<()> {
    let package = resolve.push_source("meter.wit", meter::WIT)?;
    let metered = resolve.select_world(&[package], None)?;
    let metered = resolve.worlds[metered].clone();
    let world = &mut resolve.worlds[world];
    world.imports.extend(metered.imports);
    world.exports.extend(metered.exports);
    Ok(())
}
