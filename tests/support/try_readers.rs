//! Gives random input to everything that reads text from outside: each reader has 150 ms in an ordinary test and ten
//! minutes in a soak test (`CRONBOX_SOAK`). `CRONBOX_DICE_SECONDS` sets another time. `CRONBOX_DICE_READER` selects one
//! reader, which is useful when a reader ends the whole process by its stack or its memory.

use super::dice::Dice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The name of a reader, the function that gives it bytes and panics when it is wrong, and inputs to start from.
pub type Reader = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Most processor time for one input.
const LONGEST: Duration = Duration::from_secs(5);
/// Most MiB that the whole process can grow by while one reader is tried.
const MOST_MEMORY: u64 = 2_048;

fn time_per_reader() -> Duration {
    match std::env::var("CRONBOX_DICE_SECONDS").ok().and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => Duration::from_secs_f64(seconds),
        None if std::env::var_os("CRONBOX_SOAK").is_some() => Duration::from_secs(600),
        None => Duration::from_millis(150),
    }
}

/// Returns the processor time of this thread.
fn computed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// Returns the peak memory of this process, in MiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() >> 10
}

/// Gives every reader its inputs and then random changes of them. `found` has inputs for which a reader was once wrong,
/// with the name of the reader.
pub fn try_all(readers: &[Reader], found: &[(&str, &[u8])], seed: u64) {
    for (name, _) in found {
        assert!(readers.iter().any(|(known, ..)| known == name), "there is no reader {name}");
    }
    let faults: Vec<String> = std::thread::scope(|scope| {
        let half = readers.len().div_ceil(2).max(1);
        let halves: Vec<_> = readers
            .chunks(half)
            .map(|some| {
                scope.spawn(move || {
                    some.iter().filter_map(|reader| faults(reader, found, seed)).collect::<Vec<String>>()
                })
            })
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap_or_else(|_| vec!["a thread panicked".into()])).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn faults((name, read, corpus): &Reader, found: &[(&str, &[u8])], seed: u64) -> Option<String> {
    if std::env::var("CRONBOX_DICE_READER").is_ok_and(|only| only != *name) {
        return None;
    }
    let corpus = corpus();
    let mut dice = Dice::new(seed);
    let until = Instant::now() + time_per_reader();
    let known = found.iter().filter(|(of, _)| of == name).map(|(_, input)| input.to_vec());
    let mut first = known.chain(corpus.clone()).collect::<Vec<_>>().into_iter();
    let before = most_memory();
    let mut count = 0;
    loop {
        let input = match first.next() {
            Some(input) => input,
            None if Instant::now() >= until => break,
            None => dice.like(&corpus),
        };
        count += 1;
        let began = computed();
        let shown = |why: &str| {
            let text = String::from_utf8_lossy(&input);
            let bytes: String = input.iter().take(2_000).map(|byte| format!("\\x{byte:02x}")).collect();
            Some(format!("{name}, input {count} of seed {seed}: {why}\n{text:.2000}\nb\"{bytes}\""))
        };
        if catch_unwind(AssertUnwindSafe(|| read(&input))).is_err() {
            return shown("it panicked (see above)");
        }
        let took = computed().saturating_sub(began);
        if took > LONGEST {
            return shown(&format!("it took {took:?}"));
        }
        let grown = most_memory().saturating_sub(before);
        if count % 64 == 0 && grown > MOST_MEMORY {
            return shown(&format!("the process grew by {grown} MiB"));
        }
    }
    None
}
