//! What becomes of parked runs: they count with what they still take, so that other runs can have
//! their memory, and get it again before they go on.
//!
//! Beside all that are parked there is always room for the active run with the largest limit. So a run that wakes waits for
//! runs that have their memory, never for runs that are parked. A parked run for which that would not hold counts with its
//! limit, and goes on as soon as it wants to. The time for which a run waits for its memory does not count for its time limit.

use super::PoolState;
use super::parked::Parked;
use super::process::{ActiveRun, Process};
use crate::engine;
use crate::frame::{FrameKind, RunNumber};
use crate::limits::CEILING;
use std::time::Instant;

/// The bytes that a parked run takes in its process beside its packed memory.
const BESIDE: u64 = 160 << 10;
/// The part of the budget that only runs that wake can have, as long as there are parked runs.
const KEPT_FOR_PARKED: u64 = 4;

impl ActiveRun {
    /// Returns the bytes of memory that it counts with.
    fn memory(&self) -> u64 {
        self.parked.map_or(self.entry.job.limits.memory, |parked| parked.takes)
    }

    /// Returns the bytes that it takes while others have its memory.
    fn asleep(&self) -> u64 {
        if self.owed() > 0 { self.memory() } else { 0 }
    }

    /// Returns the bytes that it will want again.
    fn owed(&self) -> u64 {
        self.entry.job.limits.memory - self.memory()
    }

    /// Returns the time at which its time limit is over, as far as is known now.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let waits = self.parked.and_then(|parked| parked.waking).map(|since| now.saturating_duration_since(since));
        self.began + self.entry.job.limits.wall + self.held_up + waits.unwrap_or_default()
    }

    /// Returns its place among the runs that want to go on, when it does.
    fn turn(&self) -> Option<(bool, Instant, RunNumber)> {
        let since = self.parked?.waking?;
        Some((self.owed() > 0, since, self.entry.number))
    }
}

impl Process {
    /// Returns the number of runs whose memory is there.
    pub(super) fn present(&self) -> usize {
        self.active.len() - self.parked.count
    }

    /// Takes out a run that has ended.
    pub(super) fn remove(&mut self, run: RunNumber, now: Instant) -> Option<ActiveRun> {
        let active = self.active.remove(&run)?;
        if active.parked.is_some() {
            self.parked.count -= 1;
            self.parked.last_end = Some(now);
        }
        if let Some(turn) = active.turn() {
            self.parked.waking.remove(&turn);
        }
        Some(active)
    }

    /// A parked run wants its memory again.
    pub(super) fn wants_to_wake(&mut self, run: RunNumber, now: Instant) -> Result<(), String> {
        let active = self.active.get_mut(&run).ok_or("a run wakes that is not active")?;
        match &mut active.parked {
            Some(parked) if parked.waking.is_none() => parked.waking = Some(now),
            _ => return Err("a run wakes that is not parked".into()),
        }
        self.parked.waking.extend(active.turn());
        Ok(())
    }

    /// Returns the parked run that goes on next, if this process has room for it. One that was cancelled meanwhile does not go
    /// on.
    fn next_to_wake(&self) -> Option<(bool, Instant, RunNumber)> {
        let goes_on = |turn: &&(bool, Instant, RunNumber)| {
            self.active.get(&turn.2).is_some_and(|active| active.cancelled.is_none())
        };
        self.parked.waking.iter().find(goes_on).copied().filter(|_| self.present() < engine::SLOTS / 2)
    }
}

impl PoolState {
    /// Notes that the memory of a run is away, and that it still takes so many bytes. What the process says is not trusted:
    /// at worst the run counts with less than it takes, and a process cannot take more than the budget and what is beside it.
    pub(super) fn park(&mut self, process: u64, run: RunNumber, bytes: u64, budget: u64) -> Result<(), String> {
        let takes = bytes.saturating_add(BESIDE);
        let has_room = self.has_room_to_sleep(takes, budget);
        let process = self.processes.get_mut(&process).ok_or("it is not in the pool any more")?;
        let active = process.active.get_mut(&run).ok_or("a run is parked that is not active")?;
        if active.parked.is_some() {
            return Err("a run is parked twice".into());
        }
        let limit = active.entry.job.limits.memory;
        active.parked = Some(Parked { takes: if has_room { takes.min(limit) } else { limit }, waking: None });
        process.parked.count += 1;
        let (given, asleep) = (active.owed(), active.asleep());
        self.admitted = self.admitted.saturating_sub(given);
        self.owed += given;
        self.asleep += asleep;
        Ok(())
    }

    /// Whether the active run with the largest limit has room beside all that sleep, when one more does.
    fn has_room_to_sleep(&self, takes: u64, budget: u64) -> bool {
        let asleep = self.asleep.saturating_add(takes);
        let fits = |limit: u64| asleep.saturating_add(limit) <= budget;
        // All runs are looked at only where that is needed.
        fits(CEILING.memory)
            || self
                .processes
                .values()
                .flat_map(|process| process.active.values())
                .all(|active| fits(active.entry.job.limits.memory))
    }

    /// Takes the memory of a run that has ended out of what is counted.
    pub(super) fn release(&mut self, active: &ActiveRun) {
        self.admitted = self.admitted.saturating_sub(active.memory());
        self.owed = self.owed.saturating_sub(active.owed());
        self.asleep = self.asleep.saturating_sub(active.asleep());
    }

    /// Counts the memory of all active runs.
    pub(super) fn count_memory(&mut self) {
        for process in self.processes.values_mut() {
            process.parked.count = process.active.values().filter(|active| active.parked.is_some()).count();
            process.parked.waking = process.active.values().filter_map(ActiveRun::turn).collect();
        }
        let active = || self.processes.values().flat_map(|process| process.active.values());
        self.admitted = active().map(ActiveRun::memory).sum();
        self.owed = active().map(ActiveRun::owed).sum();
        self.asleep = active().map(ActiveRun::asleep).sum();
    }

    /// Lets parked runs go on that want to, as long as there is memory, those first that have wanted to for the longest time.
    /// Returns whether one waits for memory.
    pub(super) fn admit_woken(&mut self, budget: u64) -> bool {
        loop {
            let next = self.processes.iter().filter_map(|(number, process)| {
                let (owes, since, run) = process.next_to_wake()?;
                Some((owes, since, *number, run))
            });
            let Some((owes, since, number, run)) = next.min() else { return false };
            let Some(process) = self.processes.get_mut(&number) else { return false };
            let Some(active) = process.active.get_mut(&run) else { return false };
            let (owed, asleep) = (active.owed(), active.asleep());
            if owed > 0 && self.admitted.saturating_add(owed) > budget {
                return true;
            }
            active.held_up += since.elapsed();
            process.parked.waking.remove(&(owes, since, run));
            process.parked.count -= usize::from(active.parked.take().is_some());
            process.link.send(FrameKind::Resume, run, b"");
            self.admitted += owed;
            self.owed = self.owed.saturating_sub(owed);
            self.asleep = self.asleep.saturating_sub(asleep);
        }
    }

    /// Whether a new run with this limit can start. A part of the budget is kept for runs that wake: who slept a moment is not
    /// to wait until a new run has ended. A large run can have that part, too: otherwise it would wait for all who sleep.
    pub(super) fn has_memory_for(&self, limit: u64, budget: u64) -> bool {
        let kept =
            self.owed.min(budget / KEPT_FOR_PARKED).min(budget.saturating_sub(limit.saturating_add(self.asleep)));
        self.admitted.saturating_add(limit).saturating_add(kept) <= budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use std::os::fd::OwnedFd;

    const MIB: u64 = 1 << 20;

    impl Process {
        /// Has a run parked, which counts with nothing.
        pub(in crate::pool) fn park_for_test(&mut self, run: RunNumber) {
            let active = self.active.get_mut(&run).expect("it is active");
            active.parked = Some(Parked { takes: 0, waking: None });
            self.parked.count += 1;
        }
    }

    /// A pool of one process, whose runs have these limits and the numbers from 1, and the other end of its link.
    fn state(limits: &[u64]) -> (PoolState, OwnedFd) {
        let (ours, theirs) = frame::pair().expect("a pair");
        let (link, _) = frame::connect(ours, false).expect("connects");
        let now = Instant::now();
        let mut process = Process::of_test(link, now);
        process.active =
            (1..).zip(limits).map(|(number, limit)| (number, ActiveRun::of_test(number, *limit, now))).collect();
        let mut state = PoolState { processes: [(0, process)].into(), ..PoolState::default() };
        state.count_memory();
        (state, theirs)
    }

    fn wakes(state: &mut PoolState, run: RunNumber) -> Result<(), String> {
        state.processes.get_mut(&0).expect("the process").wants_to_wake(run, Instant::now())
    }

    fn ends(state: &mut PoolState, run: RunNumber) {
        let active =
            state.processes.get_mut(&0).expect("the process").remove(run, Instant::now()).expect("it is active");
        state.release(&active);
    }

    fn counted(state: &PoolState) -> (u64, u64, u64) {
        (state.admitted, state.owed, state.asleep)
    }

    fn parked(state: &PoolState) -> Vec<RunNumber> {
        let active = state.processes[&0].active.iter();
        let mut parked: Vec<_> = active.filter(|(_, active)| active.parked.is_some()).map(|(run, _)| *run).collect();
        parked.sort_unstable();
        assert_eq!(state.processes[&0].parked.count, parked.len());
        parked
    }

    /// What is counted is what is counted anew.
    fn assert_consistent(state: &mut PoolState) {
        let (before, waking) = (counted(state), state.processes[&0].parked.waking.clone());
        state.count_memory();
        assert_eq!((counted(state), &state.processes[&0].parked.waking), (before, &waking));
    }

    #[tokio::test]
    async fn a_parked_run_counts_with_what_it_takes() {
        let budget = 1_000 * MIB;
        let (mut state, _other) = state(&[300 * MIB, 200 * MIB]);
        assert_eq!(counted(&state), (500 * MIB, 0, 0));
        state.park(0, 1, MIB, budget).expect("is parked");
        assert_eq!(counted(&state), (201 * MIB + BESIDE, 299 * MIB - BESIDE, MIB + BESIDE));
        assert!(!state.admit_woken(budget));
        assert_eq!(parked(&state), [1]);
        wakes(&mut state, 1).expect("it is parked");
        assert_consistent(&mut state);
        assert!(!state.admit_woken(budget));
        assert_eq!((parked(&state), counted(&state)), (vec![], (500 * MIB, 0, 0)));
        // One that ends while it is parked, and one while it waits for its memory.
        for wakes_before in [false, true] {
            state.park(0, 1, MIB, budget).expect("is parked");
            if wakes_before {
                wakes(&mut state, 1).expect("it is parked");
            }
            ends(&mut state, 1);
            assert_eq!((counted(&state), state.processes[&0].parked.waking.len()), ((200 * MIB, 0, 0), 0));
            let now = Instant::now();
            let process = state.processes.get_mut(&0).expect("the process");
            process.active.insert(1, ActiveRun::of_test(1, 300 * MIB, now));
            state.count_memory();
        }
        assert_consistent(&mut state);
    }

    #[tokio::test]
    async fn frames_that_lie_about_runs_are_refused() {
        let budget = 1_000 * MIB;
        let (mut state, _other) = state(&[300 * MIB]);
        assert!(wakes(&mut state, 1).is_err() && wakes(&mut state, 2).is_err());
        assert!(state.park(0, 2, MIB, budget).is_err() && state.park(1, 1, MIB, budget).is_err());
        // More than there is: it counts as if it had not been parked, and goes on at once.
        state.park(0, 1, u64::MAX, budget).expect("is parked");
        assert_eq!(counted(&state), (300 * MIB, 0, 0));
        assert!(state.park(0, 1, MIB, budget).is_err());
        wakes(&mut state, 1).expect("it is parked");
        assert!(wakes(&mut state, 1).is_err());
        assert!(!state.admit_woken(budget));
        assert!(wakes(&mut state, 1).is_err());
        assert_eq!(counted(&state), (300 * MIB, 0, 0));
    }

    #[tokio::test]
    async fn a_run_that_wakes_never_waits_for_runs_that_sleep() {
        let budget = 1_000 * MIB;
        let (mut state, _other) = state(&[800 * MIB]);
        let mut accepted = 0;
        state.park(0, 1, 10 * MIB, budget).expect("is parked");
        for run in 2..=20 {
            // Files and what is packed: nearly half of the limit.
            if !state.has_memory_for(100 * MIB, budget) {
                break;
            }
            let active = ActiveRun::of_test(run, 100 * MIB, Instant::now());
            state.processes.get_mut(&0).expect("the process").active.insert(run, active);
            state.admitted += 100 * MIB;
            state.park(0, run, 40 * MIB, budget).expect("is parked");
            accepted += 1;
            assert!(state.admitted <= budget);
            assert!(state.asleep + 800 * MIB <= budget, "run {run}");
        }
        assert!(accepted > 4, "{accepted}");
        assert_consistent(&mut state);
        // Those that count with their limit go on at once, also behind the large one, which then has to wait for them.
        wakes(&mut state, 1).expect("it is parked");
        for run in 2..accepted + 2 {
            wakes(&mut state, run).expect("it is parked");
        }
        assert!(state.admit_woken(budget), "the large one waits for memory");
        assert!(parked(&state).contains(&1));
        let present: Vec<RunNumber> = (2..accepted + 2).filter(|run| !parked(&state).contains(run)).collect();
        for run in present {
            ends(&mut state, run);
        }
        state.admit_woken(budget);
        assert!(!parked(&state).contains(&1), "it waits for runs that sleep");
        assert!(state.admitted <= budget);
        assert_consistent(&mut state);
    }
}
