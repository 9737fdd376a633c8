//! The states of an alert, and what it says when they change.
//!
//! ```text
//!          true: firing is said                     still true, the time of repeat is over: it is said again
//!   ok ─────────────────────────────► firing ──┐
//!    ▲                                 │  ▲    │
//!    └─────────────────────────────────┘  └────┘
//!          false: that it is over is said
//! ```
//!
//! What happens while an alert is muted changes its state, and nothing is said. When the mute is over and it still fires, that is
//! said then. Where it was never said that it fires, it is not said that it is over.

use super::memory::Memory;
use crate::clock::{Time, after};
use std::time::Duration;

/// Whether a condition is true of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is.
    True,
    /// It is not.
    False,
    /// What was seen does not tell.
    Nothing,
}

/// The state of an alert about one subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Since when it fires; none: it is ok.
    pub since: Option<Time>,
    /// When it was last said that it fires; none: never, of this time.
    pub told_at: Option<Time>,
    /// The run that made it fire.
    pub run: Option<String>,
    /// What made it fire together with others, as it is kept.
    pub cause: Option<String>,
    /// What it remembers.
    pub memory: Memory,
}

/// How an alert speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// After how long it says again that it fires; none: never.
    pub repeat: Option<Duration>,
    /// Whether it says that it is over.
    pub recovered: bool,
    /// Whether it says nothing but that it is over.
    pub only_recovered: bool,
    /// Until when it says nothing.
    pub muted_until: Option<Time>,
}

/// What an alert says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It fires.
    Firing,
    /// It still fires.
    Repeated,
    /// It is over, and lasted so long.
    Ok(Duration),
}

impl Rules {
    fn is_muted(&self, now: Time) -> bool {
        self.muted_until.is_some_and(|until| until > now)
    }

    /// What is said of an alert that fires.
    fn said_firing(&self, told_at: Option<Time>, now: Time) -> Option<Said> {
        if self.only_recovered || self.is_muted(now) {
            return None;
        }
        match told_at {
            None => Some(Said::Firing),
            Some(told_at) => self.repeat.filter(|repeat| after(told_at, *repeat) <= now).map(|_| Said::Repeated),
        }
    }

    /// When an alert in this state has something to say if nothing else happens; none: never.
    pub fn next(&self, state: &State, now: Time) -> Option<Time> {
        state.since?;
        if self.only_recovered {
            return None;
        }
        let next = match state.told_at {
            None => now,
            Some(told_at) => after(told_at, self.repeat?),
        };
        Some(next.max(self.muted_until.unwrap_or(next)))
    }
}

/// The state after something was seen, and what is said. `since` is when it became so, at most `now`.
pub fn step(state: &State, seen: Seen, rules: &Rules, since: Time, now: Time) -> (State, Option<Said>) {
    // A clock that was set back: nothing was said later than now.
    let told_at = state.told_at.map(|told_at| told_at.min(now));
    match (state.since, seen) {
        (None, Seen::False | Seen::Nothing) => (state.clone(), None),
        (None, Seen::True) => {
            let said = rules.said_firing(None, now);
            let told_at = said.is_some().then_some(now);
            (State { since: Some(since.min(now)), told_at, ..state.clone() }, said)
        }
        (Some(_), Seen::True | Seen::Nothing) => {
            let said = rules.said_firing(told_at, now);
            let told_at = if said.is_some() { Some(now) } else { told_at };
            (State { told_at, ..state.clone() }, said)
        }
        (Some(since), Seen::False) => {
            let lasted = (now - since).to_std().unwrap_or_default();
            let was_told = told_at.is_some() || rules.only_recovered;
            let speaks = rules.recovered || rules.only_recovered;
            let said = (was_told && speaks && !rules.is_muted(now)).then_some(Said::Ok(lasted));
            (State { since: None, told_at: None, run: None, ..state.clone() }, said)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use chrono::TimeDelta;

    const RULES: Rules =
        Rules { repeat: Some(Duration::from_hours(24)), recovered: true, only_recovered: false, muted_until: None };

    fn at(minutes: i64) -> Time {
        from_micros(1_800_000_000_000_000) + TimeDelta::minutes(minutes)
    }

    fn lasted(minutes: u64) -> Option<Said> {
        Some(Said::Ok(Duration::from_mins(minutes)))
    }

    /// The minute, what is seen, what is said, whether it fires afterwards, and when it would speak next.
    type Line = (i64, Seen, Option<Said>, bool, Option<i64>);

    fn follow(rules: Rules, lines: &[Line]) {
        let mut state = State::default();
        for (minute, seen, expected, fires, next) in lines {
            let now = at(*minute);
            let (next_state, said) = step(&state, *seen, &rules, now, now);
            assert_eq!(said, *expected, "minute {minute}");
            assert_eq!(next_state.since.is_some(), *fires, "minute {minute}");
            assert_eq!(rules.next(&next_state, now), next.map(at), "minute {minute}");
            state = next_state;
        }
    }

    #[test]
    fn it_speaks_when_the_state_changes_and_again_after_the_time_of_repeat() {
        use Seen::{False, Nothing, True};
        let day = 24 * 60;
        follow(
            RULES,
            &[
                (0, Nothing, None, false, None),
                (1, False, None, false, None),
                (2, True, Some(Said::Firing), true, Some(2 + day)),
                (3, True, None, true, Some(2 + day)),
                (1 + day, Nothing, None, true, Some(2 + day)),
                (2 + day, Nothing, Some(Said::Repeated), true, Some(2 + 2 * day)),
                (3 + day, True, None, true, Some(2 + 2 * day)),
                (5 + 2 * day, True, Some(Said::Repeated), true, Some(5 + 3 * day)),
                (6 + 2 * day, False, lasted(4 + 2 * day as u64), false, None),
                (7 + 2 * day, False, None, false, None),
                (8 + 2 * day, True, Some(Said::Firing), true, Some(8 + 3 * day)),
            ],
        );
        let (never, every) = (Rules { repeat: None, ..RULES }, Rules { repeat: Some(Duration::from_mins(1)), ..RULES });
        follow(never, &[(0, True, Some(Said::Firing), true, None), (9 * day, True, None, true, None)]);
        follow(every, &[(0, True, Some(Said::Firing), true, Some(1)), (1, True, Some(Said::Repeated), true, Some(2))]);
    }

    #[test]
    fn the_end_is_not_said_when_that_is_not_wanted() {
        let quiet = Rules { recovered: false, ..RULES };
        follow(quiet, &[(0, Seen::True, Some(Said::Firing), true, Some(24 * 60)), (1, Seen::False, None, false, None)]);
        let only = Rules { only_recovered: true, recovered: false, ..RULES };
        follow(only, &[(0, Seen::True, None, true, None), (5, Seen::False, lasted(5), false, None)]);
    }

    #[test]
    fn a_mute_holds_back_what_is_said_and_not_what_happens() {
        use Seen::{False, Nothing, True};
        let muted = Rules { muted_until: Some(at(60)), ..RULES };
        follow(
            muted,
            &[
                (0, True, None, true, Some(60)),
                (59, Nothing, None, true, Some(60)),
                (60, Nothing, Some(Said::Firing), true, Some(60 + 24 * 60)),
                (61, False, lasted(61), false, None),
            ],
        );
        follow(
            muted,
            &[(0, True, None, true, Some(60)), (30, False, None, false, None), (61, False, None, false, None)],
        );
        let firing = step(&State::default(), True, &RULES, at(0), at(0)).0;
        assert_eq!(step(&firing, False, &muted, at(1), at(1)).1, None, "it is over while it is muted");
        let long = Rules { muted_until: Some(at(3000)), ..RULES };
        assert_eq!(long.next(&firing, at(1)), Some(at(3000)));
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_nothing_early_and_does_not_keep_silent() {
        let firing = step(&State::default(), Seen::True, &RULES, at(10_000), at(10_000)).0;
        let (back, said) = step(&firing, Seen::Nothing, &RULES, at(0), at(0));
        assert_eq!((said, RULES.next(&back, at(0))), (None, Some(at(24 * 60))));
        assert_eq!(step(&back, Seen::False, &RULES, at(5), at(5)).1, lasted(0));
    }
}
