//! Catches panics, in one way: each is logged with its place and told to whoever counts them, also one that no code here
//! catches. A panic in a reader of foreign text is a refusal of that text; a panic in a piece of work ends that piece, and
//! not the task that asked for it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

pub use cronbox_runtime::faults;

/// The task that panics in readers of foreign text are counted under.
pub const READER: &str = "reader";
/// The task of a panic that only the runtime catches.
const OTHER: &str = "other";

thread_local! {
    /// Where this thread panicked last: the hook knows it, the code that catches the panic does not.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// How many pieces of work that are watched this thread is within.
    static WATCHED: Cell<usize> = const { Cell::new(0) };
}

/// Whoever counts the panics of this process.
type Watcher = Arc<dyn Fn(&'static str, &Caught) + Send + Sync>;

static WATCHER: RwLock<Option<Watcher>> = RwLock::new(None);

/// A reader of foreign text panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: the reader failed on it, which is a mistake of this program; write it in another way")]
pub struct Panicked {
    what: &'static str,
}

/// A panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default())]
pub struct Caught {
    message: String,
    place: Option<String>,
}

/// Has panics written to the log, with their place, instead of to standard error as plain text, and has those told that no
/// code here catches. For the whole process.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let (place, message) = (info.location().map(ToString::to_string), said(info.payload()));
        tracing::error!(place = place.as_deref().unwrap_or_default(), message, "panic");
        if WATCHED.get() == 0 {
            tell(OTHER, &Caught { message: message.to_owned(), place: place.clone() });
        }
        PLACE.with_borrow_mut(|last| *last = place);
    }));
}

/// Has panics of this process told to a watcher, by their task, in the place of the watcher before.
pub fn watch(watcher: impl Fn(&'static str, &Caught) + Send + Sync + 'static) {
    *WATCHER.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(watcher));
}

/// Runs a reader of foreign text, or another computation on it. Nothing that it changed may be used after a panic; what
/// is handed in is to be its own.
pub fn caught<T>(what: &'static str, reader: impl FnOnce() -> T) -> Result<T, Panicked> {
    let reading = || {
        faults::come(what);
        reader()
    };
    catch(reading).map_err(|caught| {
        let Caught { message, place } = caught;
        tell(READER, &Caught { message: format!("{what}: {message}"), place });
        Panicked { what }
    })
}

/// Does a piece of work of a task, and brings a panic inside it as an error.
pub async fn caught_in<T>(task: &'static str, work: impl Future<Output = T>) -> Result<T, Caught> {
    catching(task, work).await.inspect_err(|caught| tell(task, caught))
}

/// The same for who tells of the panic itself.
pub async fn catching<T>(task: &'static str, work: impl Future<Output = T>) -> Result<T, Caught> {
    let work = async {
        faults::come(task);
        work.await
    };
    let mut work = pin!(work);
    std::future::poll_fn(|context| match catch(|| work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(caught) => Poll::Ready(Err(caught)),
    })
    .await
}

fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    struct Within;
    impl Drop for Within {
        fn drop(&mut self) {
            WATCHED.set(WATCHED.get() - 1);
        }
    }
    WATCHED.set(WATCHED.get() + 1);
    let within = Within;
    let done = catch_unwind(AssertUnwindSafe(work));
    drop(within);
    done.map_err(|payload| Caught { message: said(&*payload).to_owned(), place: PLACE.with_borrow_mut(Option::take) })
}

fn tell(task: &'static str, caught: &Caught) {
    let watcher = WATCHER.read().unwrap_or_else(PoisonError::into_inner).clone();
    match watcher {
        Some(watcher) => watcher(task, caught),
        None => tracing::error!(task, error = %caught, "a panic was caught; nothing counts it"),
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_told() {
        let (sender, told) = std::sync::mpsc::channel();
        // Panics of other tests are told too.
        watch(move |task, caught| drop(sender.send((task, caught.to_string()))));
        let was_told = |task: &str, message: &str| {
            let has = |(of, text): (&str, String)| of == task && text.starts_with(message);
            assert!(told.try_iter().any(has), "{task}: {message}");
        };
        assert_eq!(caught("x", || 4), Ok(4));
        let panicked = caught("the lock", || -> u8 { panic!("no {}", "way") }).expect_err("it panics");
        assert!(panicked.to_string().starts_with("the lock cannot be read"), "{panicked}");
        was_told(READER, "the lock: no way");
        let work = async {
            tokio::task::yield_now().await;
            panic!("late")
        };
        let error = caught_in("task of a test", work).await.map(|(): ()| ()).expect_err("it panics");
        assert!(error.to_string().starts_with("late"), "{error}");
        was_told("task of a test", "late");
        assert_eq!(caught_in("x", async { 7 }).await, Ok(7));
        assert_eq!(WATCHED.get(), 0);
        assert_eq!(said(&"text"), "text");
    }

    #[tokio::test]
    async fn a_fault_that_is_asked_for_comes_once() {
        faults::ask(["the page of a test".to_owned()]);
        assert!(caught("the page of a test", || 1).is_err());
        assert_eq!(caught("the page of a test", || 1), Ok(1));
    }
}
