//! Backups and restores that are killed at any moment.

use super::{Setting, assert_blobs, assert_same, cronbox, fill, killed, referred, works};
use crate::support::dice::Dice;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn listed(setting: &Setting, place: &str) -> BTreeSet<String> {
    let (said, _) = works(&setting.folder.0, &["backup", "--list", "--json", place], &setting.env);
    let listed: Value = serde_json::from_str(&said).expect("JSON");
    let id = |listed: &Value| {
        assert!(listed["backup"].is_object(), "{listed}");
        listed["id"].as_str().expect("an id").to_owned()
    };
    listed["backups"].as_array().expect("a list").iter().map(id).collect()
}

/// Removes the words of commands that were killed while they deleted old backups: each is believed for five minutes.
fn forget_words(setting: &Setting, place: &str) {
    let folder = match (&setting.bucket, place.strip_prefix("s3://jobs/")) {
        (Some((bucket, _)), Some(prefix)) => bucket.path(prefix),
        _ => setting.folder.0.join(place),
    };
    if let Ok(words) = std::fs::read_dir(folder.join("pruning")) {
        for word in words {
            std::fs::remove_file(word.expect("an entry").path()).expect("removed");
        }
    }
}

/// Kills a backup and a restore at random moments. What is listed is whole, and in the end everything works.
async fn dies(is_shared: bool, place: &str) {
    let setting = Setting::new(is_shared).await;
    let server = setting.start();
    fill(&server).await;
    let folder = &setting.folder.0;
    let began = Instant::now();
    setting.backup(place, &[]);
    let usual = u64::try_from(began.elapsed().as_micros()).expect("short");
    let mut dice = Dice::new(17);
    let words = [&["backup", place, "--keep", "3"][..], &setting.words()].concat();
    let (mut ended, mut seen) = (0, listed(&setting, place));
    for _ in 0..12 {
        let after = Duration::from_micros(dice.roll(usual * 5 / 4));
        ended += usize::from(killed(folder, &words, &setting.env, after));
        forget_words(&setting, place);
        let now = listed(&setting, place);
        for id in now.difference(&seen) {
            works(folder, &["backup", "--verify", place, "--backup", id], &setting.env);
        }
        seen = now;
    }
    assert!(ended < 12, "none was killed in the middle");
    // Whoever was killed last may seem to be under way still: then nothing is deleted, and all the same one more is made.
    let before = listed(&setting, place).len();
    setting.backup(place, &["--keep", "3"]);
    let after = listed(&setting, place).len();
    assert!(after == 3 || after == before + 1, "{before} {after}");
    works(folder, &["backup", "--verify", place], &setting.env);
    drop(server);
    let kept = setting.kept();
    setting.backup(place, &[]);

    let mut target = Setting::new(is_shared).await;
    if is_shared {
        // The bucket of the source has the backup; the blobs go to another part of it.
        target.env.clone_from(&setting.env);
        let blobs = target.words.iter_mut().find(|word| word.starts_with("s3://")).expect("blobs");
        *blobs = "s3://jobs/restored".into();
    }
    let place = if is_shared { place.to_owned() } else { folder.join(place).display().to_string() };
    let words = [&["restore", &place][..], &target.words()].concat();
    let mut tries = 0;
    for _ in 0..10 {
        let after = Duration::from_micros(dice.roll(usual));
        if killed(&target.folder.0, &words, &target.env, after) {
            break;
        }
        tries += 1;
    }
    let (code, out, err) = cronbox(&target.folder.0, &words, &target.env);
    match code {
        Some(0) => {}
        // One that was to be killed was faster.
        Some(2) => assert!(err.contains("is not empty"), "{err}"),
        _ => panic!("after {tries}: {code:?} {out}{err}"),
    }
    // Killed after the rows were shown, it did not take its word back: a server does not look at that.
    if let (Some(2), Some((bucket, _))) = (code, &setting.bucket) {
        let _ = std::fs::remove_file(bucket.path("restored/restoring"));
    } else if code == Some(2) {
        let _ = std::fs::remove_file(target.folder.0.join("data/blobs/restoring"));
    }
    let restored = match (&target.database, &setting.bucket) {
        (Some(url), Some((bucket, _))) => (super::rows_of_postgres(url), bucket.path("restored")),
        _ => (target.kept().rows, target.kept().blobs),
    };
    assert_same(&kept.rows, &restored.0);
    assert_blobs(&restored.1, &referred(&kept.rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_sqlite_that_dies_is_none() {
    dies(false, "saved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgres_that_dies_is_none() {
    dies(true, "s3://jobs/saved").await;
}

/// A server that is killed at any moment of the backups that it makes itself: those that are listed are whole, and when it is
/// started again it makes the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_a_backup_makes_the_next() {
    let mut setting = Setting::new(false).await;
    let words = ["--backup-every", "1s", "--backup-to", "saved"];
    setting.words.extend(words.map(str::to_owned));
    let folder = setting.folder.0.clone();
    let mut server = setting.start();
    fill(&server).await;
    let mut dice = Dice::new(23);
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        std::thread::park_timeout(Duration::from_micros(dice.roll(1_500_000)));
        server.kill();
        forget_words(&setting, "saved");
        if folder.join("saved").exists() {
            let now = listed(&setting, "saved");
            for id in now.difference(&seen) {
                works(&folder, &["backup", "--verify", "saved", "--backup", id], &setting.env);
            }
            seen = now;
        }
        server = setting.start();
    }
    let is_new = |listed: BTreeSet<String>| listed.difference(&seen).count() > 0;
    server.until("the next is made", async || folder.join("saved").exists() && is_new(listed(&setting, "saved"))).await;
    works(&folder, &["backup", "--verify", "saved"], &setting.env);
}
