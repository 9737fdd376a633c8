//! Deliveries: what is told to a channel, and how far that is.

use crate::clock::Time;
use crate::notice::Notice;
use std::time::Duration;

/// How long a delivery is tried.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3_600);
/// The time before the second attempt, the third, and so on; the last one is that of all later ones.
const PAUSES: [u64; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800];

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent.
    Waiting,
    /// It has arrived.
    Sent,
    /// It has not arrived, and is not tried any more.
    Dead,
}

impl DeliveryState {
    /// The words for them.
    pub const WORDS: [&str; 3] = ["waiting", "sent", "dead"];

    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Sent => "sent",
            DeliveryState::Dead => "dead",
        }
    }

    /// The one of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [DeliveryState::Waiting, DeliveryState::Sent, DeliveryState::Dead]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A delivery as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its id, the same at every attempt.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The word of its kind: `firing`, `repeated`, `ok`, `summary`.
    pub kind: String,
    /// The alert.
    pub alert: Option<String>,
    /// The script's name.
    pub script: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// What is told.
    pub notice: Notice,
    /// How far it is.
    pub state: DeliveryState,
    /// How many attempts have begun.
    pub attempts: u32,
    /// When it is tried, at the earliest.
    pub next_at: Option<Time>,
    /// From when on it is not tried any more.
    pub give_up_at: Time,
    /// When the rate of its channel held it back.
    pub held_at: Option<Time>,
    /// The delivery that tells of it instead.
    pub summary: Option<String>,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// The last answer in words, or why there is none.
    pub answer: Option<String>,
    /// When it was recorded.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// The time before the next attempt, after so many of them. Deliveries that failed together are not tried together again: the
/// id adds up to a tenth.
pub fn pause(attempts: u32, id: &str) -> Duration {
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let seconds = PAUSES.get(at).or(PAUSES.last()).copied().unwrap_or(3_600);
    let share = id.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 101);
    Duration::from_secs(seconds) + Duration::from_millis(seconds * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_eight_hours_and_differ_by_a_tenth() {
        let pauses: Vec<u64> = (1..=12).map(|attempts| pause(attempts, "x").as_secs()).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert!((5..=5).contains(&pauses[0]) && (28_800..=31_680).contains(&pauses[11]), "{pauses:?}");
        let all: u64 = pauses.iter().sum();
        assert!(all < GIVE_UP_AFTER.as_secs());
        assert_ne!(pause(4, "one"), pause(4, "other"));
    }
}
