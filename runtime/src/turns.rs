//! Whose turn it is inside one sandbox process.
//!
//! Runs take turns of one fuel slice. A run that has computed for 20 ms without waiting is *busy*: from then on it steps
//! aside while others, not busy, have something to do, so that a small run never queues behind endless loops. So that
//! nobody starves, a busy run that stepped aside for long gets a slice all the same.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Computing for so long without waiting makes a run busy.
pub(crate) const BUSY_AFTER: Duration = Duration::from_millis(20);
/// A busy run steps aside for no longer than this.
const PATIENCE: Duration = Duration::from_millis(50);

/// The runs of one process that want the CPU.
#[derive(Default)]
pub(crate) struct Turns {
    /// Runs that are not busy and not waiting for anything.
    eager: AtomicUsize,
    /// Busy runs that stepped aside.
    aside: Mutex<Vec<Waker>>,
}

impl Turns {
    fn enter(&self) {
        self.eager.fetch_add(1, Relaxed);
    }

    fn leave(&self) {
        if self.eager.fetch_sub(1, Relaxed) == 1 {
            let aside = std::mem::take(&mut *self.aside.lock().unwrap_or_else(PoisonError::into_inner));
            aside.into_iter().for_each(Waker::wake);
        }
    }

    fn must_step_aside(&self) -> bool {
        self.eager.load(Relaxed) > 0
    }
}

/// What a run wakes when it can go on; tells a yield (woken while it is polled) from a wait (woken later).
struct Alarm {
    task: Mutex<Waker>,
    turns: Arc<Turns>,
    woken: AtomicBool,
    /// Counted among the eager.
    eager: AtomicBool,
    busy: AtomicBool,
}

impl Alarm {
    fn become_eager(&self) {
        if !self.eager.swap(true, Relaxed) {
            self.turns.enter();
        }
    }

    fn no_longer_eager(&self) {
        if self.eager.swap(false, Relaxed) {
            self.turns.leave();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Relaxed);
        if !self.busy.load(Relaxed) {
            self.become_eager();
        }
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

/// A run that takes turns with the others of its process.
pub(crate) struct Taking<F, B> {
    run: F,
    alarm: Arc<Alarm>,
    waker: Waker,
    /// Time computed since the last wait.
    computed: Duration,
    aside_since: Option<Instant>,
    on_busy: B,
}

/// Lets `run` take its turns among `turns`. `on_busy` is told when it becomes busy and when it waits again.
pub(crate) fn taking_turns<F: Future, B: FnMut(bool)>(turns: &Arc<Turns>, run: F, on_busy: B) -> Taking<F, B> {
    let alarm = Arc::new(Alarm {
        task: Mutex::new(Waker::noop().clone()),
        turns: turns.clone(),
        woken: AtomicBool::new(false),
        eager: AtomicBool::new(false),
        busy: AtomicBool::new(false),
    });
    alarm.become_eager();
    Taking { run, waker: Waker::from(alarm.clone()), alarm, computed: Duration::ZERO, aside_since: None, on_busy }
}

impl<F: Future + Unpin, B: FnMut(bool) + Unpin> Future for Taking<F, B> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let now = Instant::now();
        this.alarm.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        let busy = this.alarm.busy.load(Relaxed);
        if busy && this.alarm.turns.must_step_aside() {
            let since = *this.aside_since.get_or_insert(now);
            if now.duration_since(since) < PATIENCE {
                let mut aside = this.alarm.turns.aside.lock().unwrap_or_else(PoisonError::into_inner);
                aside.push(context.waker().clone());
                return Poll::Pending;
            }
        }
        this.aside_since = None;
        this.alarm.woken.store(false, Relaxed);
        let polled = Pin::new(&mut this.run).poll(&mut Context::from_waker(&this.waker));
        if polled.is_ready() {
            return polled;
        }
        if this.alarm.woken.load(Relaxed) {
            this.computed += now.elapsed();
            if !busy && this.computed >= BUSY_AFTER {
                this.alarm.busy.store(true, Relaxed);
                this.alarm.no_longer_eager();
                (this.on_busy)(true);
            }
        } else {
            this.computed = Duration::ZERO;
            this.alarm.no_longer_eager();
            if busy {
                this.alarm.busy.store(false, Relaxed);
                (this.on_busy)(false);
            }
        }
        Poll::Pending
    }
}

impl<F, B> Drop for Taking<F, B> {
    fn drop(&mut self) {
        self.alarm.no_longer_eager();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Computes for `slices` slices of a millisecond, yielding after each.
    fn computing(slices: usize, mut note: impl FnMut() + Unpin) -> impl Future<Output = ()> + Unpin {
        let mut left = slices;
        std::future::poll_fn(move |context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(1) {}
            note();
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[tokio::test]
    async fn a_small_run_goes_before_a_busy_one() {
        let turns = Arc::new(Turns::default());
        let order = RefCell::new(Vec::new());
        let became_busy = RefCell::new(false);
        let started = tokio::sync::Notify::new();
        let busy = taking_turns(&turns, computing(60, || order.borrow_mut().push('b')), |busy| {
            *became_busy.borrow_mut() = busy;
            started.notify_one();
        });
        let small = async {
            started.notified().await;
            taking_turns(&turns, computing(5, || order.borrow_mut().push('s')), |_| {}).await;
        };
        tokio::join!(busy, small);
        assert!(*became_busy.borrow());
        let order = order.into_inner();
        let first = order.iter().position(|who| *who == 's').expect("the small run ran");
        assert_eq!(order[first..first + 5], ['s'; 5]);
        assert_eq!(order.len(), 65);
        assert_eq!(turns.eager.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_makes_a_run_not_busy_again() {
        let turns = Arc::new(Turns::default());
        let told = RefCell::new(Vec::new());
        let gate = tokio::sync::Notify::new();
        let run = Box::pin(async {
            computing(30, || {}).await;
            gate.notified().await;
        });
        let opener = async {
            while told.borrow().len() < 2 {
                tokio::task::yield_now().await;
            }
            gate.notify_one();
        };
        tokio::join!(taking_turns(&turns, run, |busy| told.borrow_mut().push(busy)), opener);
        assert_eq!(*told.borrow(), [true, false]);
    }

    #[test]
    fn a_run_that_is_dropped_leaves_no_trace() {
        let turns = Arc::new(Turns::default());
        drop(taking_turns(&turns, std::future::ready(()), |_| {}));
        assert_eq!(turns.eager.load(Relaxed), 0);
    }
}
