//! The scheduling of runs inside one sandbox process.
//!
//! Runs get the thread for one fuel slice at a time. A run that has recently computed for 20 ms is *busy*: it yields to
//! runs that are not busy and want the CPU, so that a small run never queues behind endless loops. No run starves: a
//! busy run that has yielded for long gets a slice anyway.
//!
//! Recent computing is forgotten only by time in which the run really waited, and more slowly when more other runs
//! wanted the CPU meanwhile: a run does not become busy while it takes no more than its share. A wait of no time
//! changes nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// The computing time after which a run is busy.
pub(crate) const BUSY_AFTER: Duration = Duration::from_millis(20);
/// The most computing time that is remembered: after as much waiting a run counts as new.
const REMEMBERED: Duration = Duration::from_millis(40);
/// The most time that a busy run yields.
const PATIENCE: Duration = Duration::from_millis(50);
/// The waiting time after which the node is told that a busy run waits.
const QUIET_AFTER: Duration = BUSY_AFTER;

/// The runs of one process that want the CPU.
#[derive(Default)]
pub(crate) struct FairShare {
    /// Runs that do not wait.
    wanting: AtomicUsize,
    /// Runs that do not wait and are not busy.
    eager: AtomicUsize,
    /// Busy runs that yield.
    aside: Mutex<Vec<Waker>>,
}

impl FairShare {
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

/// The recent computing time of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    computed: Duration,
}

impl Account {
    fn computed(&mut self, time: Duration) {
        self.computed = self.computed.saturating_add(time).min(REMEMBERED);
    }

    /// Counts a wait while `others` runs wanted the CPU. A run that waits `others` times as long as it computes takes
    /// just its share.
    fn waited(&mut self, time: Duration, others: usize) {
        let others = u32::try_from(others).unwrap_or(u32::MAX).max(1);
        self.computed = self.computed.saturating_sub(time / others);
    }

    fn is_busy(&self) -> bool {
        self.computed >= BUSY_AFTER
    }
}

/// The waker of a run. It distinguishes a yield (woken while it is polled) from a wait (woken later).
struct RunWaker {
    state: Mutex<WakerState>,
    share: Arc<FairShare>,
    woken: AtomicBool,
    /// True when the run is counted as eager.
    eager: AtomicBool,
    busy: AtomicBool,
}

struct WakerState {
    task: Waker,
    account: Account,
    /// The time since which it waits.
    waits: Option<Instant>,
}

impl RunWaker {
    fn become_eager(&self) {
        if !self.eager.swap(true, Relaxed) {
            self.share.enter();
        }
    }

    fn no_longer_eager(&self) {
        if self.eager.swap(false, Relaxed) {
            self.share.leave();
        }
    }

    /// Ends the wait, if there was one.
    fn wants(&self, state: &mut WakerState) {
        if let Some(since) = state.waits.take() {
            state.account.waited(since.elapsed(), self.share.wanting.fetch_add(1, Relaxed));
            self.busy.store(state.account.is_busy(), Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, WakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for RunWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Relaxed);
        let mut state = self.state();
        self.wants(&mut state);
        state.task.wake_by_ref();
        drop(state);
        if !self.busy.load(Relaxed) {
            self.become_eager();
        }
    }
}

/// A run that shares the thread with the other runs of its process.
pub(crate) struct FairRun<F, B> {
    run: F,
    waker_state: Arc<RunWaker>,
    waker: Waker,
    aside_since: Option<Instant>,
    /// The last value given to `on_busy`.
    told: bool,
    /// Ends when a busy run has waited for long.
    quiet: Option<Pin<Box<Sleep>>>,
    on_busy: B,
}

/// Runs `run` with its share of the thread. `on_busy` is called when it becomes busy and when it waits again.
pub(crate) fn run_fairly<F: Future, B: FnMut(bool)>(share: &Arc<FairShare>, run: F, on_busy: B) -> FairRun<F, B> {
    let state = WakerState { task: Waker::noop().clone(), account: Account::default(), waits: None };
    let waker_state = Arc::new(RunWaker {
        state: Mutex::new(state),
        share: share.clone(),
        woken: AtomicBool::new(false),
        eager: AtomicBool::new(false),
        busy: AtomicBool::new(false),
    });
    share.wanting.fetch_add(1, Relaxed);
    waker_state.become_eager();
    FairRun {
        run,
        waker: Waker::from(waker_state.clone()),
        waker_state,
        aside_since: None,
        told: false,
        quiet: None,
        on_busy,
    }
}

impl<F, B: FnMut(bool)> FairRun<F, B> {
    fn tell(&mut self, busy: bool) {
        if self.told != busy {
            self.told = busy;
            (self.on_busy)(busy);
        }
    }

    /// Calls `on_busy(false)` once a busy run has waited for long enough.
    fn tell_if_quiet(&mut self, context: &mut Context<'_>) {
        while self.told {
            let waits = self.waker_state.state().waits;
            let Some(since) = waits else { return };
            if since.elapsed() >= QUIET_AFTER {
                return self.tell(false);
            }
            let until = tokio::time::Instant::from_std(since + QUIET_AFTER);
            let quiet = self.quiet.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            if quiet.as_mut().poll(context).is_pending() {
                return;
            }
            // The timer was for an earlier wait.
            self.quiet = None;
        }
    }
}

impl<F: Future + Unpin, B: FnMut(bool) + Unpin> Future for FairRun<F, B> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let now = Instant::now();
        this.waker_state.state().task.clone_from(context.waker());
        if this.waker_state.busy.load(Relaxed) && this.waker_state.share.must_step_aside() {
            let since = *this.aside_since.get_or_insert(now);
            if now.duration_since(since) < PATIENCE {
                let mut aside = this.waker_state.share.aside.lock().unwrap_or_else(PoisonError::into_inner);
                aside.push(context.waker().clone());
                drop(aside);
                this.tell_if_quiet(context);
                return Poll::Pending;
            }
        }
        this.aside_since = None;
        this.waker_state.woken.store(false, Relaxed);
        let polled = Pin::new(&mut this.run).poll(&mut Context::from_waker(&this.waker));
        if polled.is_ready() {
            return polled;
        }
        let woken = this.waker_state.woken.load(Relaxed);
        let mut state = this.waker_state.state();
        state.account.computed(now.elapsed());
        let busy = state.account.is_busy();
        this.waker_state.busy.store(busy, Relaxed);
        if !woken && state.waits.is_none() {
            state.waits = Some(Instant::now());
            this.waker_state.share.wanting.fetch_sub(1, Relaxed);
        }
        drop(state);
        if busy || !woken {
            this.waker_state.no_longer_eager();
        }
        if woken {
            this.tell(busy);
        } else {
            this.tell_if_quiet(context);
        }
        Poll::Pending
    }
}

impl<F, B> Drop for FairRun<F, B> {
    fn drop(&mut self) {
        if self.waker_state.state().waits.is_none() {
            self.waker_state.share.wanting.fetch_sub(1, Relaxed);
        }
        self.waker_state.no_longer_eager();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Computes for `slices` slices of a millisecond, and yields after each.
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
        let share = Arc::new(FairShare::default());
        let order = RefCell::new(Vec::new());
        let became_busy = RefCell::new(false);
        let started = tokio::sync::Notify::new();
        let busy = run_fairly(&share, computing(60, || order.borrow_mut().push('b')), |busy| {
            *became_busy.borrow_mut() = busy;
            started.notify_one();
        });
        let small = async {
            started.notified().await;
            run_fairly(&share, computing(5, || order.borrow_mut().push('s')), |_| {}).await;
        };
        tokio::join!(busy, small);
        assert!(*became_busy.borrow());
        let order = order.into_inner();
        let first = order.iter().position(|who| *who == 's').expect("the small run ran");
        assert_eq!(order[first..first + 5], ['s'; 5]);
        assert_eq!(order.len(), 65);
        assert_eq!(share.eager.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_makes_a_run_not_busy_again() {
        let share = Arc::new(FairShare::default());
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
        tokio::join!(run_fairly(&share, run, |busy| told.borrow_mut().push(busy)), opener);
        assert_eq!(*told.borrow(), [true, false]);
    }

    #[test]
    fn a_run_that_is_dropped_leaves_no_trace() {
        let share = Arc::new(FairShare::default());
        drop(run_fairly(&share, std::future::ready(()), |_| {}));
        assert_eq!((share.eager.load(Relaxed), share.wanting.load(Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn a_wait_for_nothing_is_no_wait() {
        let share = Arc::new(FairShare::default());
        let told = RefCell::new(Vec::new());
        let run = Box::pin(async {
            for _ in 0..40 {
                computing(2, || {}).await;
                // As `time.sleep(0)`: woken after the poll, not in it.
                tokio::task::yield_now().await;
            }
        });
        run_fairly(&share, run, |busy| told.borrow_mut().push(busy)).await;
        assert_eq!(*told.borrow(), [true]);
        assert_eq!((share.eager.load(Relaxed), share.wanting.load(Relaxed)), (0, 0));
    }

    /// The share of the CPU that a run can take without being busy: it computes and waits for so long in turn.
    fn is_ever_busy(computes: Duration, waits: Duration, others: usize) -> bool {
        let mut account = Account::default();
        (0..10_000).any(|_| {
            account.computed(computes);
            let busy = account.is_busy();
            account.waited(waits, others);
            busy
        })
    }

    #[test]
    fn only_its_share_keeps_a_run_from_being_busy() {
        let ms = Duration::from_millis;
        // Alone with one other: half of the time.
        assert!(!is_ever_busy(ms(10), ms(10), 1));
        assert!(is_ever_busy(ms(10), ms(9), 1));
        // With six others: a seventh.
        assert!(!is_ever_busy(ms(2), ms(12), 6));
        assert!(is_ever_busy(ms(2), ms(11), 6));
        assert!(is_ever_busy(ms(16), ms(0), 1));
        assert!(is_ever_busy(ms(16), Duration::from_micros(50), 6));
        // Whoever computed for an hour is as new after a short time.
        let mut account = Account::default();
        account.computed(Duration::from_secs(3_600));
        account.waited(REMEMBERED, 1);
        assert_eq!(account.computed, Duration::ZERO);
    }
}
