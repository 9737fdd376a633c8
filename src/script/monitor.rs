//! The monitor of a script: an address that is called about its runs.

use crate::address::Address;
use cronbox_runtime::network::HostPattern;

/// The host of its address. The error is a sentence.
pub(super) fn host(url: &str) -> Result<HostPattern, String> {
    if url.contains('…') {
        return Err("this is how an address is shown: write the whole of it, or leave the setting as it is".into());
    }
    let address = Address::parse(url).map_err(|why| why.to_string())?;
    address.pattern().map_err(|why| why.to_string())
}

/// What is shown of its address. Who knows the whole of it can use it.
pub(super) fn shown(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "…".into(), |url| url.shown())
}
