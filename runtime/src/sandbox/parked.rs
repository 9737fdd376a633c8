//! A run whose memory is put away while it waits.
//!
//! A run that has waited for [`PARK_AFTER`] in one host call, without open files and connections, is *parked*: its memory
//! and its stack are packed (`crate::memory`). Before it goes on they are made whole. The run notices nothing of it.
//!
//! Runs that are parked can end all at once, by their time limits or because they are cancelled. So they are taken down one
//! after the other.
//!
//! Packing and making whole take time, which no fuel pays for. A run whose waits are not far longer than that is parked less and
//! less.
//!
//! A run that was woken can have to wait until the node has its memory free again. That time does not count for its time limit.

use crate::budget::Budget;
use crate::guest::{Admission, Waits};
use crate::memory::{Packing, Parking, Place, Slot, Slots, Stacks};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

/// The time that a run waits before it is parked.
const PARK_AFTER: Duration = Duration::from_millis(50);
/// The longest time that a run waits before it is parked, when that was of no use before.
const PARK_AFTER_MOST: Duration = Duration::from_secs(5);
/// A run was to be parked for so many times what parking it took: then many runs that wait again and again take little of a
/// processor together.
const WORTH: u32 = 200;
/// Most parts that are made whole of a run that has ended, so that the line at which it stood can be read.
const READ_MOST: usize = 8;

/// The parts of a sandbox that can be put away.
pub(super) struct Parts {
    pub(super) slots: Arc<Slots>,
    pub(super) stacks: Stacks,
    pub(super) memory: Place<Slot>,
    pub(super) waits: Arc<Waits>,
    pub(super) budget: Arc<Budget>,
}

/// How far the memory of a run that was woken is.
enum Whole {
    Yes,
    /// There is more to do.
    NotYet,
    /// The node does not have it free yet.
    NotAdmitted,
}

/// A run that is parked while it waits.
pub(super) struct Parked<F> {
    // Before `run`: a stack that is away is made whole before the run is dropped, which uses it.
    stage: Stage,
    run: Pin<Box<F>>,
    woken: Arc<Woken>,
    waker: Waker,
    parts: Parts,
    /// The memory that the node keeps free for it, when a node has admitted it.
    admission: Option<Arc<Admission>>,
    /// The bytes that the host keeps for the run beside its memory.
    beside: u64,
    patience: Patience,
    /// The time that packing and making whole have taken since the run waits.
    took: Duration,
    /// When its time is over.
    deadline: Pin<Box<Sleep>>,
    /// The time since which it has been waiting for memory, and for how long it did so before.
    held_up: (Option<Instant>, Duration),
}

/// How a run ended.
pub(super) enum End<T> {
    /// By itself.
    Returned(wasmtime::Result<T>),
    /// Its time is over.
    TimedOut,
}

enum Stage {
    /// It computes, or waits with its memory.
    Present,
    /// It waits, and is to be parked when the time has come.
    Waiting(Pin<Box<Sleep>>),
    /// Its memory is being packed.
    Packing(Parking),
    /// Its memory is away, since then.
    Away(Parking, Instant),
    /// Its memory is being made whole.
    MakingWhole(Parking),
}

/// Whether the run was woken. The waker of whoever polls it is woken with it.
struct Woken {
    is_woken: AtomicBool,
    outer: Mutex<Waker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Relaxed);
        self.outer.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

/// The time that a run waits before it is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patience(Duration);

impl Patience {
    /// Notes that a run was parked for this time, which took so much time for itself.
    fn note(&mut self, parked: Duration, took: Duration) {
        self.0 = match parked < took * WORTH {
            true => (self.0 * 2).min(PARK_AFTER_MOST),
            false => (self.0 / 2).max(PARK_AFTER),
        };
    }
}

impl<F> Parked<F> {
    /// Makes a run that is to end by itself until the deadline, and for which the host keeps so many bytes beside its memory.
    pub(super) fn new(
        run: F,
        parts: Parts,
        admission: Option<Arc<Admission>>,
        beside: u64,
        deadline: tokio::time::Instant,
    ) -> Self {
        // The first poll is one of the run.
        let woken = Arc::new(Woken { is_woken: AtomicBool::new(true), outer: Mutex::new(Waker::noop().clone()) });
        Parked {
            stage: Stage::Present,
            run: Box::pin(run),
            waker: Waker::from(woken.clone()),
            woken,
            parts,
            admission,
            beside,
            patience: Patience(PARK_AFTER),
            took: Duration::ZERO,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            held_up: (None, Duration::ZERO),
        }
    }

    /// Returns for how long it was held up: it could have gone on, and others had its memory.
    pub(super) fn held_up(&self) -> Duration {
        self.held_up.1 + self.held_up.0.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Goes one step towards the memory of a run that was woken.
    fn make_whole(&mut self, context: &Context<'_>) -> io::Result<Whole> {
        let mut parking = match std::mem::replace(&mut self.stage, Stage::Present) {
            Stage::Present | Stage::Waiting(_) => return Ok(Whole::Yes),
            // What was packed of a run that goes on is not needed: it was packed in vain.
            Stage::Packing(_) => {
                self.patience.note(Duration::ZERO, self.took * 2);
                return Ok(Whole::Yes);
            }
            Stage::MakingWhole(parking) => parking,
            Stage::Away(parking, since) => {
                if self.admission.as_ref().is_some_and(|admission| !admission.is_back(context)) {
                    self.held_up.0.get_or_insert_with(Instant::now);
                    self.stage = Stage::Away(parking, since);
                    return Ok(Whole::NotAdmitted);
                }
                let now = Instant::now();
                let woken = self.held_up.0.take().unwrap_or(now);
                let held_up = now - woken;
                self.held_up.1 += held_up;
                let deadline = self.deadline.deadline() + held_up;
                self.deadline.as_mut().reset(deadline);
                self.patience.note(woken.saturating_duration_since(since), self.took * 2);
                parking
            }
        };
        if parking.make_some_whole()? {
            return Ok(Whole::Yes);
        }
        self.stage = Stage::MakingWhole(parking);
        Ok(Whole::NotYet)
    }

    /// Notes when the run is to be parked, if it waits.
    fn begin_wait(&mut self) {
        if self.parts.waits.on_stack().is_some() {
            self.took = Duration::ZERO;
            self.stage = Stage::Waiting(Box::pin(tokio::time::sleep(self.patience.0)));
        }
    }

    /// Drops a run that has ended or is to end. If it is parked, it waits for its turn, which lasts until the value that this
    /// returns is dropped. Its memory is made whole only where it `is_read` afterwards.
    pub(super) async fn take_down(mut self, is_read: bool) -> Option<OwnedSemaphorePermit> {
        if !matches!(self.stage, Stage::Away(..) | Stage::MakingWhole(_)) {
            return None;
        }
        let turn = self.parts.slots.turn().await;
        // It stays within this value while others have the thread. Where that would take long, nothing is read: others wait for
        // their turn.
        while is_read
            && let Stage::Away(parking, _) | Stage::MakingWhole(parking) = &mut self.stage
            && parking.parts() <= READ_MOST
            && let Ok(false) = parking.make_some_whole()
        {
            tokio::task::yield_now().await;
        }
        turn
    }

    /// Goes one step towards a run that is parked. Returns whether there are more.
    fn park(&mut self, context: &mut Context<'_>) -> bool {
        let began = Instant::now();
        let mut parking = match std::mem::replace(&mut self.stage, Stage::Present) {
            Stage::Waiting(mut time) => {
                if time.as_mut().poll(context).is_pending() {
                    self.stage = Stage::Waiting(time);
                    return false;
                }
                let Parts { slots, stacks, memory, waits, .. } = &self.parts;
                let Some(on_stack) = waits.on_stack() else { return false };
                // Where the kernel refuses something the run keeps its memory.
                let Ok(Some(parking)) = Parking::begin(slots, stacks, memory, on_stack) else { return false };
                parking
            }
            Stage::Packing(parking) => parking,
            stage => {
                self.stage = stage;
                return false;
            }
        };
        let packing = parking.pack_some();
        self.took += began.elapsed();
        match packing {
            Ok(Packing::More) => self.stage = Stage::Packing(parking),
            Ok(Packing::Away) => {
                if let Some(admission) = &self.admission {
                    // Its files are not put away, and what it was started with neither.
                    let packed = parking.packed() as u64;
                    admission.give_up(packed.saturating_add(self.parts.budget.outside()).saturating_add(self.beside));
                }
                self.stage = Stage::Away(parking, Instant::now());
            }
            // Nothing was put away by then.
            Ok(Packing::NotWorth) | Err(_) => {
                self.patience.0 = PARK_AFTER_MOST;
                drop(parking);
            }
        }
        matches!(self.stage, Stage::Packing(_))
    }
}

impl<T, F: Future<Output = wasmtime::Result<T>>> Future for Parked<F> {
    type Output = End<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.woken.outer.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        if this.held_up.0.is_none() && this.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::TimedOut);
        }
        if this.woken.is_woken.load(Relaxed) {
            // An error ends the run: what it would go on with is not there.
            match this.make_whole(context) {
                Ok(Whole::Yes) => {}
                Ok(Whole::NotYet) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Whole::NotAdmitted) => return Poll::Pending,
                Err(error) => return Poll::Ready(End::Returned(Err(error.into()))),
            }
            this.woken.is_woken.store(false, Relaxed);
            if let Poll::Ready(returned) = this.run.as_mut().poll(&mut Context::from_waker(&this.waker)) {
                return Poll::Ready(End::Returned(returned));
            }
            if !this.woken.is_woken.load(Relaxed) {
                this.begin_wait();
            }
        }
        if this.park(context) {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_parked_in_vain_is_parked_less() {
        let ms = Duration::from_millis;
        let mut patience = Patience(PARK_AFTER);
        // It was parked for long enough.
        patience.note(ms(400), ms(2));
        assert_eq!(patience.0, PARK_AFTER);
        // For a moment, and not at all: packing was interrupted.
        for expected in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            patience.note(if expected % 3 == 0 { ms(1) } else { Duration::ZERO }, ms(2));
            assert_eq!(patience.0, ms(expected));
        }
        // What it takes is a small part of its waits from then on, and it is parked sooner again where these are long.
        patience.note(ms(10_000), ms(2));
        assert_eq!(patience.0, ms(2_500));
    }
}
