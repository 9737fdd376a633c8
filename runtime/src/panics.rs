//! A panic in one run ends only that run, not its process.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A panic, with its message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked(pub(crate) String);

/// Polls a future to its end. When it panics, it is dropped at once with everything it owns: a store whose host call
/// panicked is never used again.
pub(crate) fn catching<F: Future>(future: F) -> Catching<F> {
    Catching { future: Some(Box::pin(future)) }
}

/// Runs a computation that shares nothing. A panic is an error.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked(words_of(&*panic)))
}

/// See [`catching`].
pub(crate) struct Catching<F> {
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Catching<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        // The future shares only counters and queues with others, which are consistent after every statement, and locks
        // that are taken even when they are poisoned.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(Panicked(words_of(&*panic))),
        };
        let future = self.future.take();
        match catch_unwind(AssertUnwindSafe(|| drop(future))) {
            Ok(()) => Poll::Ready(ended),
            Err(panic) => Poll::Ready(ended.and_then(|_| Err(Panicked(words_of(&*panic))))),
        }
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::memory::{Checks, Image, Slots, Stacks};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use wasmtime::{Linker, Module, Store};

    /// `(module (import "" "f" (func)) (func (export "run") (call 0)))`
    const CALLS_F: &[u8] = &[
        0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 6, 1, 0, 1, b'f', 0, 0, 3, 2, 1, 0, 7, 7, 1, 3, b'r',
        b'u', b'n', 0, 1, 0xa, 6, 1, 4, 0, 0x10, 0, 0xb,
    ];

    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_host_call_that_panics_ends_its_own_store() {
        let slots = Slots::new(Image::empty(), engine::SLOTS, false, Checks::All);
        let engine = engine::runner(slots, Stacks::default()).expect("an engine");
        let module = Module::new(&engine, CALLS_F).expect("a module");
        let dropped = Arc::new(AtomicUsize::new(0));
        for panics in [true, false, true, true, false] {
            let mut linker = Linker::<Dropped>::new(&engine);
            linker
                .func_wrap_async("", "f", move |_: wasmtime::Caller<'_, Dropped>, (): ()| {
                    Box::new(async move {
                        tokio::task::yield_now().await;
                        assert!(!panics, "as the test wants it");
                    })
                })
                .expect("links");
            let mut store = Store::new(&engine, Dropped(dropped.clone()));
            let before = dropped.load(Ordering::Relaxed);
            let module = module.clone();
            let ended = catching(async move {
                let instance = linker.instantiate_async(&mut store, &module).await.expect("instantiates");
                let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("the export");
                run.call_async(&mut store, ()).await.is_ok()
            })
            .await;
            assert_eq!(ended, if panics { Err(Panicked("as the test wants it".into())) } else { Ok(true) });
            assert_eq!(dropped.load(Ordering::Relaxed), before + 1);
        }
    }

    #[tokio::test]
    async fn a_panic_while_it_is_dropped_is_caught_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("{}", "late");
            }
        }
        let bomb = Bomb;
        let ended = catching(async move {
            let _bomb = &bomb;
            7
        })
        .await;
        assert_eq!(ended, Err(Panicked("late".into())));
    }
}
