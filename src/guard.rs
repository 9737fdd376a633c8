//! Foreign text is read by parsers that others wrote, and a parser may have a mistake: a panic in one is a refusal of what it
//! was to read, and not the end of the task that asked.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: the reader failed on it, which is a mistake of this program; write it in another way")]
pub struct Panicked {
    what: &'static str,
}

/// Runs a reader of foreign text, or another computation on it. Nothing that it changed may be used after a panic; what
/// is handed in is to be its own.
pub fn caught<T>(what: &'static str, reader: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(reader)).map_err(|panic| {
        tracing::error!(what, panic = said(&*panic), "a reader of foreign text panicked; the text is refused");
        Panicked { what }
    })
}

/// What a panic said.
pub fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(caught("x", || 4), Ok(4));
        let panicked = caught("the lock", || -> u8 { panic!("no {}", "way") }).expect_err("it panics");
        assert!(panicked.to_string().starts_with("the lock cannot be read"), "{panicked}");
        assert_eq!(said(&"text"), "text");
    }
}
