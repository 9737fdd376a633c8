//! When triggers fire: tables written out by hand, and walks minute by minute that follow cron's rule the slow way.

use crate::support::dice::Dice;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use cronbox::clock::Time;
use cronbox::trigger::{Defaults, Trigger, TriggerError};
use cronbox::zone::{Local, Zones};
use serde_json::{Value, json};

fn time(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_utc()
}

fn defaults() -> Defaults {
    let zones = Zones::embedded();
    let timezone = zones.get("UTC").unwrap();
    Defaults { zones, timezone, now: time("2026-01-01T00:00:00Z") }
}

fn read(text: &str) -> Trigger {
    Trigger::from_text(text, &defaults()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> TriggerError {
    match Trigger::from_text(text, &defaults()) {
        Ok(trigger) => panic!("{text} is taken for {trigger}"),
        Err(error) => error,
    }
}

fn read_json(value: Value) -> Result<Trigger, TriggerError> {
    Trigger::from_json(&value, &defaults())
}

/// The next fires as local times with their offsets.
fn fires(text: &str, from: &str, count: usize) -> Vec<String> {
    let fires = read(text).preview(time(from), count).unwrap_or_else(|error| panic!("{text}: {error}"));
    fires.iter().map(|fire| fire.rfc3339()).collect()
}

/// The weekdays on which a trigger fires in the week from Sunday, 2026-03-01.
fn week(text: &str) -> String {
    let fires = read(text).fires_between(time("2026-02-28T23:59:59Z"), time("2026-03-07T23:59:59Z"), 100).unwrap();
    let days: Vec<String> = fires.fires.iter().map(|fire| fire.local.format("%a").to_string()).collect();
    days.join(" ")
}

#[test]
fn weekdays_are_numbered_as_each_dialect_says() {
    let table = [
        ("0 0 * * 0", "Sun"),
        ("0 0 * * 7", "Sun"),
        ("0 0 * * 1-5", "Mon Tue Wed Thu Fri"),
        ("0 0 * * */2", "Sun Tue Thu Sat"),
        ("0 0 * * 1-5/2", "Mon Wed Fri"),
        ("0 0 * * mon-fri/2", "Mon Wed Fri"),
        ("0 0 * * 5-7", "Sun Fri Sat"),
        ("0 0 * * sat-sun", "Sun Sat"),
        ("0 0 * * SUN-tue", "Sun Mon Tue"),
        ("0 0 * * 0-7", "Sun Mon Tue Wed Thu Fri Sat"),
        ("0 0 * * 5-7/2", "Sun Fri"),
        ("0 0 * * fri#1", "Fri"),
        ("0 0 * * 5L", ""),
        ("fields: day_of_week=0", "Mon"),
        ("fields: day_of_week=0-4", "Mon Tue Wed Thu Fri"),
        ("fields: day_of_week=6", "Sun"),
        ("fields: day_of_week=*/2", "Sun Mon Wed Fri"),
        ("fields: day_of_week=mon-fri/2", "Mon Wed Fri"),
        ("fields: day_of_week=4/2", "Sun Fri"),
        ("fields: day_of_week=sat,sun", "Sun Sat"),
    ];
    for (text, days) in table {
        assert_eq!(week(text), days, "{text}");
    }
}

#[test]
fn weekday_numbers_of_the_fields_dialect_are_stored_by_name() {
    let trigger = read_json(json!({"type": "cron", "day_of_week": "0-4,6", "hour": 9})).unwrap();
    assert_eq!(trigger.to_json()["day_of_week"], "mon-fri,sun");
    assert_eq!(trigger.to_string(), "fields: day_of_week=mon-fri,sun hour=9 @ UTC");
    assert!(trigger.notes()[0].contains("so this is mon-fri,sun"), "{:?}", trigger.notes());
    assert!(read("fields: day_of_week=mon").notes().is_empty());
    assert!(read("0 9 * * 1").notes().is_empty());
}

#[test]
fn one_day_field_is_enough_unless_one_begins_with_a_star() {
    let dates = |text: &str| -> Vec<String> {
        let fires = read(text).preview(time("2026-01-31T23:59:59Z"), 6).unwrap();
        fires.iter().map(|fire| fire.local.format("%m-%d").to_string()).collect()
    };
    assert_eq!(dates("0 0 13 * fri"), ["02-06", "02-13", "02-20", "02-27", "03-06", "03-13"]);
    assert_eq!(dates("0 0 */2 * fri"), ["02-13", "02-27", "03-13", "03-27", "04-03", "04-17"]);
    assert_eq!(dates("0 0 13 * */4"), ["08-13", "09-13", "12-13", "05-13", "06-13", "01-13"]);
    assert_eq!(
        dates("fields: day=13 day_of_week=fri"),
        ["02-13", "03-13", "11-13", "08-13", "10-13", "04-13"][..6].to_vec()
    );
}

#[test]
fn ends_of_months_and_leap_days() {
    let dates = |text: &str, from: &str, count: usize| -> Vec<String> {
        let fires = read(text).preview(time(from), count).unwrap();
        fires.iter().map(|fire| fire.local.format("%Y-%m-%d").to_string()).collect()
    };
    let year = "2025-12-31T23:59:59Z";
    assert_eq!(dates("0 0 L * *", year, 3), ["2026-01-31", "2026-02-28", "2026-03-31"]);
    assert_eq!(dates("0 0 L 2 *", year, 4), ["2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"]);
    assert_eq!(dates("0 0 31 * *", year, 3), ["2026-01-31", "2026-03-31", "2026-05-31"]);
    assert_eq!(dates("0 0 15,L * *", year, 3), ["2026-01-15", "2026-01-31", "2026-02-15"]);
    assert_eq!(dates("0 0 29 2 *", "2094-01-01T00:00:00Z", 2), ["2096-02-29", "2104-02-29"]);
    assert_eq!(
        dates("fields: month=2 day=29 day_of_week=mon", "2026-01-01T00:00:00Z", 2),
        ["2044-02-29", "2072-02-29"]
    );
    assert_eq!(dates("0 0 * * friL", year, 3), ["2026-01-30", "2026-02-27", "2026-03-27"]);
    assert_eq!(dates("0 0 * * 5l", year, 1), ["2026-01-30"]);
    assert_eq!(dates("0 0 * * fri#2", year, 3), ["2026-01-09", "2026-02-13", "2026-03-13"]);
    assert_eq!(dates("0 0 * * 5#5", year, 3), ["2026-01-30", "2026-05-29", "2026-07-31"]);
    assert_eq!(dates("fields: day=\"last fri\"", year, 2), ["2026-01-30", "2026-02-27"]);
    assert_eq!(dates("fields: day=\"1st fri, 3rd mon\"", year, 3), ["2026-01-02", "2026-01-19", "2026-02-06"]);
    assert_eq!(dates("fields: day=last", year, 2), ["2026-01-31", "2026-02-28"]);
    // ISO weeks: 2026 has 53, so that the first days of 2027 are in its last.
    assert_eq!(dates("fields: week=53", "2026-01-01T00:00:00Z", 8)[6..], ["2027-01-03", "2032-12-27"]);
    assert_eq!(dates("fields: week=1 day_of_week=mon", "2025-01-01T00:00:00Z", 2), ["2025-12-29", "2027-01-04"]);
    assert_eq!(dates("fields: year=9000", year, 3), ["9000-01-01"]);
    assert_eq!(dates("fields: year=2030-2040/5", year, 3), ["2030-01-01", "2035-01-01", "2040-01-01"]);
}

#[test]
fn fields_left_out_are_as_in_apscheduler() {
    let from = "2026-01-31T12:30:15Z";
    assert_eq!(fires("fields: minute=5", from, 2), ["2026-01-31T13:05:00+00:00", "2026-01-31T14:05:00+00:00"]);
    assert_eq!(fires("fields: month=6", from, 2), ["2026-06-01T00:00:00+00:00", "2027-06-01T00:00:00+00:00"]);
    assert_eq!(fires("fields: second=*/30", from, 2), ["2026-01-31T12:30:30+00:00", "2026-01-31T12:31:00+00:00"]);
    assert_eq!(fires("fields: day_of_week=mon", from, 1), ["2026-02-02T00:00:00+00:00"]);
    assert_eq!(fires("fields: year=2030", from, 9), ["2030-01-01T00:00:00+00:00"]);
    assert_eq!(fires("fields: minute=40/10", from, 3)[2], "2026-01-31T13:40:00+00:00");
}

/// Berlin: on 2026-03-29 clocks go from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
#[test]
fn changes_of_the_clocks_by_policy() {
    let spring = "2026-03-28T12:00:00Z";
    let autumn = "2026-10-24T12:00:00Z";
    let table: &[(&str, &str, &[&str])] = &[
        ("30 2 * * *", spring, &["29T03:00:00+02:00", "30T02:30:00+02:00"]),
        ("30 2 * * * @ Europe/Berlin dst skip", spring, &["30T02:30:00+02:00", "31T02:30:00+02:00"]),
        ("30 2 * * * @ Europe/Berlin dst both", spring, &["29T03:00:00+02:00", "30T02:30:00+02:00"]),
        ("30 2 * * *", autumn, &["25T02:30:00+02:00", "26T02:30:00+01:00"]),
        ("30 2 * * * @ Europe/Berlin dst skip", autumn, &["25T02:30:00+02:00", "26T02:30:00+01:00"]),
        (
            "30 2 * * * @ Europe/Berlin dst both",
            autumn,
            &["25T02:30:00+02:00", "25T02:30:00+01:00", "26T02:30:00+01:00"],
        ),
        // Several fixed times of one gap are one fire, and one with what the clock shows after it.
        ("0,30 2,3 * * *", spring, &["29T03:00:00+02:00", "29T03:30:00+02:00", "30T02:00:00+02:00"]),
        ("*/30 2 * * *", spring, &["30T02:00:00+02:00", "30T02:30:00+02:00"]),
        ("*/30 2 * * *", autumn, &["25T02:00:00+02:00", "25T02:30:00+02:00", "25T02:00:00+01:00", "25T02:30:00+01:00"]),
        ("30 * * * *", "2026-03-29T00:00:00Z", &["29T01:30:00+01:00", "29T03:30:00+02:00"]),
        ("30 * * * *", "2026-10-25T00:00:00Z", &["25T02:30:00+02:00", "25T02:30:00+01:00", "25T03:30:00+01:00"]),
        ("30 * * * * @ Europe/Berlin dst skip", "2026-10-25T00:00:00Z", &["25T02:30:00+02:00", "25T03:30:00+01:00"]),
        ("@hourly", "2026-03-29T00:00:00Z", &["29T03:00:00+02:00", "29T04:00:00+02:00"]),
        ("fields: hour=2 minute=30", spring, &["29T03:00:00+02:00", "30T02:30:00+02:00"]),
        ("fields: minute=30", "2026-03-29T00:00:00Z", &["29T01:30:00+01:00", "29T03:30:00+02:00"]),
        ("fields: hour=2 minute=30 second=*/30", spring, &["30T02:30:00+02:00", "30T02:30:30+02:00"]),
        ("every 1 day at 02:30", spring, &["29T03:00:00+02:00", "30T02:30:00+02:00"]),
        ("every 1 day at 02:30 @ Europe/Berlin dst skip", spring, &["30T02:30:00+02:00"]),
        ("every 1 day at 02:30", autumn, &["25T02:30:00+02:00", "26T02:30:00+01:00"]),
        ("every 1 day at 02:30 @ Europe/Berlin dst both", autumn, &["25T02:30:00+02:00", "25T02:30:00+01:00"]),
        // One whose next is a year ahead comes back too.
        (
            "30 2 25 10 * @ Europe/Berlin dst both",
            autumn,
            &["25T02:30:00+02:00", "25T02:30:00+01:00", "25T02:30:00+02:00"],
        ),
        // The last local time of all comes back.
        (
            "fields: year=2026 month=10 day=25 hour=2 minute=30 @ Europe/Berlin dst both",
            autumn,
            &["25T02:30:00+02:00", "25T02:30:00+01:00"],
        ),
        // A day of elapsed time is another time of day afterwards.
        ("every 1d from 2026-01-01T09:00", spring, &["29T10:00:00+02:00", "30T10:00:00+02:00"]),
    ];
    for (text, from, expected) in table {
        let text = if text.contains('@') && !text.starts_with("@hourly") {
            (*text).to_owned()
        } else {
            format!("{text} @ Europe/Berlin")
        };
        let found = fires(&text, from, expected.len());
        let found: Vec<&str> = found.iter().map(|fire| &fire[8..]).collect();
        assert_eq!(found, *expected, "{text} from {from}");
    }
}

#[test]
fn odd_zones_follow_the_same_rule() {
    let table: &[(&str, &str, &[&str])] = &[
        // Half an hour: 2026-10-04 from 02:00 to 02:30, 2026-04-05 from 02:00 back to 01:30.
        (
            "15 2 * * * @ Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        ),
        (
            "45 1 * * * @ Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
        ),
        (
            "45 * * * * @ Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            &["2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30"],
        ),
        // A lost day: the whole of 2011-12-30.
        (
            "0 9 * * * @ Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"],
        ),
        ("0 9 * * * @ Pacific/Apia dst skip", "2011-12-29T20:00:00Z", &["2011-12-31T09:00:00+14:00"]),
        (
            "0 */12 * * * @ Pacific/Apia",
            "2011-12-29T20:00:00Z",
            &["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00"],
        ),
        // Two hours: 2026-03-29 from 01:00 to 03:00, 2026-10-25 from 03:00 back to 01:00.
        (
            "30 1,2 * * * @ Antarctica/Troll",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T01:30:00+02:00"],
        ),
        (
            "30 2 * * * @ Antarctica/Troll dst both",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+00:00"],
        ),
        // Clocks change around Ramadan: 2025-02-23 from 03:00 back to 02:00, 2025-04-06 from 02:00 to 03:00.
        ("30 2 * * * @ Africa/Casablanca", "2025-04-05T12:00:00Z", &["2025-04-06T03:00:00+01:00"]),
        // The day line moved: 1993-08-21 is missing.
        (
            "0 12 * * * @ Pacific/Kwajalein",
            "1993-08-20T00:00:00Z",
            &["1993-08-20T12:00:00-12:00", "1993-08-22T00:00:00+12:00", "1993-08-22T12:00:00+12:00"],
        ),
        // Midnight itself is missing.
        (
            "0 0 * * * @ America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            &["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
        ),
    ];
    for (text, from, expected) in table {
        assert_eq!(fires(text, from, expected.len()), *expected, "{text}");
    }
}

#[test]
fn notes_say_what_the_clocks_did() {
    let notes = |text: &str, from: &str, count: usize| -> Vec<Option<String>> {
        let fires = read(text).preview(time(from), count).unwrap();
        fires.into_iter().map(|fire| fire.note).collect()
    };
    let note = |text: &str| Some(text.to_owned());
    let gap = notes("30 2 * * * @ Europe/Berlin", "2026-03-27T12:00:00Z", 3);
    assert_eq!(gap, [None, note("02:30 does not exist on this day: first existing time"), None]);
    let fold = notes("30 2 * * * @ Europe/Berlin dst both", "2026-10-24T12:00:00Z", 3);
    assert_eq!(fold[..2], [note("this time comes twice: first of two"), note("this time comes twice: second of two")]);
    let daily = notes("0 9 * * * @ Europe/Berlin", "2026-03-28T00:00:00Z", 3);
    assert_eq!(daily, [None, note("clocks went forward 1h since the last fire"), None]);
    let lost = notes("0 9 * * * @ Pacific/Apia", "2011-12-29T20:00:00Z", 1);
    assert_eq!(
        lost,
        [note("09:00:00 does not exist on 2011-12-30: first existing time")
            .map(|note| note.replace("09:00:00", "09:00"))]
    );
    let fires = read("30 2 * * * @ Europe/Berlin dst both").preview(time("2026-10-24T12:00:00Z"), 2).unwrap();
    assert_eq!((fires[0].fold, fires[1].fold), (false, true));
}

#[test]
fn intervals_keep_their_phase() {
    let from = "2026-03-01T10:00:30Z";
    assert_eq!(
        fires("every 2m from 2026-03-01T10:00:15", from, 2),
        ["2026-03-01T10:02:15+00:00", "2026-03-01T10:04:15+00:00"]
    );
    // The first fire is the start, and without one the start is now.
    assert_eq!(
        fires("every 1h30m", "2025-12-31T23:59:59Z", 2),
        ["2026-01-01T00:00:00+00:00", "2026-01-01T01:30:00+00:00"]
    );
    assert_eq!(fires("every 90s", "2026-01-01T00:00:00Z", 1), ["2026-01-01T00:01:30+00:00"]);
    assert_eq!(fires("every 1s", "2026-01-01T00:00:00.999999Z", 1), ["2026-01-01T00:00:01+00:00"]);
    assert_eq!(fires("every 2w from 2026-01-01", "2726-01-01T00:00:00Z", 1).len(), 1);
    assert_eq!(read("every 2 hours 5 minutes").to_string(), read("every 2h5m").to_string());
    assert_eq!(read("every minute"), read("every 60s"));
}

#[test]
fn calendar_intervals_keep_the_day() {
    let dates = |text: &str, count: usize| -> Vec<String> {
        let fires = read(text).preview(time("2025-01-01T00:00:00Z"), count).unwrap();
        fires.iter().map(|fire| fire.local.format("%m-%d %H:%M").to_string()).collect()
    };
    assert_eq!(
        dates("every 1 month at 09:00 from 2026-01-31", 5),
        ["01-31 09:00", "03-31 09:00", "05-31 09:00", "07-31 09:00", "08-31 09:00"]
    );
    assert_eq!(dates("every 2 weeks at 08:30 from 2026-01-07", 3), ["01-07 08:30", "01-21 08:30", "02-04 08:30"]);
    assert_eq!(dates("every day at 09:00 from 2026-01-01", 2), ["01-01 09:00", "01-02 09:00"]);
    assert_eq!(dates("every day at 9:00 from 2026-01-01", 2), ["01-01 09:00", "01-02 09:00"]);
    assert_eq!(dates("every Monday at 9:00 from 2026-01-01", 2), ["01-05 09:00", "01-12 09:00"]);
    assert_eq!(dates("every sun from 2026-01-01", 2), ["01-04 00:00", "01-11 00:00"]);
    // Months first, then days: each step keeps the day of the one before.
    assert_eq!(
        dates("every 1 month 1 day from 2026-01-30", 4),
        ["01-30 00:00", "03-31 00:00", "06-01 00:00", "07-02 00:00"]
    );
    let leap = read("every 1 year from 2024-02-29").preview(time("2090-01-01T00:00:00Z"), 3).unwrap();
    assert_eq!(leap.iter().map(|fire| fire.local.year()).collect::<Vec<_>>(), [2092, 2096, 2104]);
    // Leaping ahead and walking agree.
    for text in
        ["every 3 months from 2026-01-31", "every 17 days from 2026-01-31", "every 1 month 5 days from 2026-01-31"]
    {
        let trigger = read(text);
        let all = trigger.preview(time("2025-01-01T00:00:00Z"), 60).unwrap();
        for pair in all.windows(2) {
            for gap in
                [TimeDelta::zero(), (pair[1].at - pair[0].at) / 2, pair[1].at - pair[0].at - TimeDelta::seconds(1)]
            {
                assert_eq!(trigger.next_after(pair[0].at + gap).unwrap().unwrap().at, pair[1].at, "{text}");
            }
        }
    }
}

#[test]
fn dates_fire_once() {
    assert_eq!(fires("at 2026-12-24T18:00 @ Europe/Berlin", "2026-01-01T00:00:00Z", 5), ["2026-12-24T18:00:00+01:00"]);
    assert_eq!(
        fires("at 2026-12-24T18:00:00Z @ Europe/Berlin", "2026-01-01T00:00:00Z", 5),
        ["2026-12-24T19:00:00+01:00"]
    );
    assert_eq!(
        fires("at 2026-10-25T02:30 fold=1 @ Europe/Berlin", "2026-01-01T00:00:00Z", 5),
        ["2026-10-25T02:30:00+01:00"]
    );
    assert_eq!(
        fires("at 2026-10-25T02:30 fold=0 @ Europe/Berlin", "2026-01-01T00:00:00Z", 5),
        ["2026-10-25T02:30:00+02:00"]
    );
    let past = read("at 2025-12-24T18:00");
    assert_eq!(past.next_after(time("2026-01-01T00:00:00Z")).unwrap(), None);
    let why = past.validate(time("2026-01-01T00:00:00Z")).unwrap_err();
    assert_eq!(why.field.as_deref(), Some("run_date"));
    assert!(why.message.contains("to run now: POST …/runs"), "{why}");
}

#[test]
fn or_merges_and_and_agrees() {
    let from = "2026-01-01T00:00:00Z";
    assert_eq!(
        fires("every 4h or every 6h", from, 5).iter().map(|fire| &fire[11..13]).collect::<Vec<_>>(),
        ["04", "06", "08", "12", "16"]
    );
    assert_eq!(fires("every 4h and every 6h", from, 2), ["2026-01-01T12:00:00+00:00", "2026-01-02T00:00:00+00:00"]);
    assert_eq!(fires("0 9 13 * * and 0 9 * * fri", from, 1), ["2026-02-13T09:00:00+00:00"]);
    assert_eq!(
        fires("(every 60m and every 60m from 2026-01-01T00:00:01) within 1s", from, 2),
        ["2026-01-01T01:00:00+00:00", "2026-01-01T02:00:00+00:00"]
    );
    // The latest of them may be met by a later fire of the earliest.
    assert_eq!(fires("(10,58 * * * * and 59 * * * *) within 1m", from, 1), ["2026-01-01T00:58:00+00:00"]);
    let never = read("every 2s and every 2s from 2026-01-01T00:00:01");
    assert!(never.next_after(time(from)).unwrap_err().message.contains("too rarely or never"));
    // Or binds less than and; the zone of the whole is where its local times are shown.
    let mixed = read("0 0 * * * or 0 9 13 * * and 0 9 * * fri");
    assert_eq!(mixed.to_string(), "(cron: 0 0 * * * or (cron: 0 9 13 * * and cron: 0 9 * * fri)) @ UTC");
    let zones = read("(0 9 * * * @ Asia/Shanghai or every 12h) @ Europe/Berlin until 2026-01-01T12:00");
    assert_eq!(
        zones.to_string(),
        "(cron: 0 9 * * * @ Asia/Shanghai or every 12h from 2026-01-01T01:00:00+01:00) @ Europe/Berlin until 2026-01-01T12:00"
    );
    assert_eq!(
        zones.preview(time("2025-12-31T23:59:59Z"), 9).unwrap().iter().map(|fire| fire.rfc3339()).collect::<Vec<_>>(),
        ["2026-01-01T01:00:00+01:00", "2026-01-01T02:00:00+01:00"]
    );
}

#[test]
fn bounds_include_their_ends() {
    let from = "2025-12-01T00:00:00Z";
    assert_eq!(fires("0 12 * * * from 2026-01-01 until 2026-01-02", from, 9).len(), 2);
    assert_eq!(fires("0 12 * * * from 2026-01-01T12:00 until 2026-01-02T12:00", from, 9).len(), 2);
    assert_eq!(fires("0 12 * * * from 2026-01-01T12:00:01 until 2026-01-02T11:59", from, 9).len(), 0);
    let except = fires("0 12 * * * from 2026-01-01 except 2026-01-01, 2026-01-03..2026-01-05", from, 3);
    assert_eq!(except.iter().map(|fire| &fire[8..10]).collect::<Vec<_>>(), ["02", "06", "07"]);
    // An excluded day is a day of the zone, whatever is fired on it.
    assert_eq!(
        fires("every 6h @ Asia/Tokyo except 2026-01-01", "2025-12-31T23:59:59Z", 1),
        ["2026-01-02T03:00:00+09:00"]
    );
    assert_eq!(read("every 1h max 3").preview(time(from), 50).unwrap().len(), 3);
}

#[test]
fn chains_have_no_fire_times() {
    let chain = read("after a on failed");
    assert_eq!(chain.to_json(), json!({"type": "after", "script": "a", "on": "failed", "timezone": "UTC"}));
    assert_eq!(chain.next_after(time("2026-01-01T00:00:00Z")).unwrap(), None);
    chain.validate(time("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(read("after label team=x or every 2m").chains()[0].to_string(), "after label \"team=x\"");
    assert!(refused("after a and every 2m").message.contains("no fire times"));
}

#[test]
fn both_forms_print_back_from_each_other() {
    let texts = [
        "0 9 * * 1-5",
        "cron: 0 9 * * MON-FRI @ Asia/Shanghai from 2026-01-01 until 2026-12-31 jitter 30s max 10 \
         except 2026-12-25, 2026-12-27..2026-12-31 dst skip",
        "@daily",
        "cron:@hourly @Europe/Berlin",
        "0 0 L * FRI#2,5L",
        "fields: hour=9 minute=*/5",
        "fields: day=\"last fri, 1st mon\" hour=9-17/2",
        "fields: day_of_week=0-4 year=2026/2",
        "every 2m",
        "every 1h30m from 2026-01-01T00:00:00.250000+02:00",
        "every 2w until 2027-01-01T00:00:00Z",
        "every 1 month at 09:00",
        "every 1 year 2 months 3 weeks 4 days at 09:00:30 dst both",
        "every day",
        "at 2026-12-24T18:00 @ Europe/Berlin",
        "at 2026-10-25T02:30 fold=1 @ Europe/Berlin",
        "at 2026-10-25T02:30:00+01:00 @ Europe/Berlin",
        "every 2m or 0 9 * * * @ Asia/Tokyo or at 2027-01-01T00:00",
        "((every 4h and every 6h) within 1s or after a) jitter 1m max 5",
        "after * on any",
        "after \"label\" on failed",
        "after label team=x until 2027-01-01",
        "after label \"team=a b (c)\"",
        "0 9 * * * FROM 2026-01-01 @ asia/shanghai",
    ];
    for text in texts {
        let first = read(text);
        let shown = first.to_string();
        let json = first.to_json();
        let from_json = read_json(json.clone()).unwrap_or_else(|error| panic!("{text}: {json}: {error}"));
        assert_eq!(from_json, first, "{text}: {json}");
        assert_eq!(from_json.to_json(), json, "{text}");
        assert_eq!(from_json.to_string(), shown, "{text}");
        let from_text = read(&shown);
        assert_eq!(from_text, first, "{text}: {shown}");
        assert_eq!(from_text.to_string(), shown, "{text}");
        assert_eq!(read_json(json!(shown)).unwrap(), first);
    }
    assert_eq!(
        read("cron: 0 9 * * 1-5 @ Asia/Shanghai").to_json(),
        json!({"type": "cron", "crontab": "0 9 * * 1-5", "timezone": "Asia/Shanghai"})
    );
    assert_eq!(
        read_json(json!({"type": "cron", "hour": 9, "minute": "*/5"})).unwrap().to_json(),
        json!({"type": "cron", "hour": 9, "minute": "*/5", "timezone": "UTC"})
    );
    assert_eq!(
        read("every 90m jitter 30s").to_json(),
        json!({"type": "interval", "hours": 1, "minutes": 30, "jitter": 30, "start_date": "2026-01-01T00:00:00+00:00", "timezone": "UTC"})
    );
}

/// What is refused, the byte before which it stands, and a part of the sentence.
#[test]
fn bad_texts_point_at_the_place() {
    let table: &[(&str, usize, &str)] = &[
        ("", 0, "expected a crontab line"),
        ("daily", 0, "found `daily`"),
        ("0 0 * * fri#2x", 13, "expected `,` or the end of the field, found `x`"),
        ("0 0 * * fri#6", 12, "1 to 5"),
        ("0 0 * * fri#", 12, "found the end"),
        ("0 0 * * fridax", 11, "expected `,` or the end of the field, found `d`"),
        ("0 0 * * fri-mon", 8, "write two ranges: fri-sun,sun-mon"),
        ("0 0 * * 5-1", 8, "write two ranges: 5-7,0-1"),
        ("0 0 * * 8", 8, "8 is out of range"),
        ("0 0 * * x", 8, "one of sun, mon"),
        ("0 0 lastfoo * *", 5, "found `a`"),
        ("fields: day=lastfoo", 16, "`last`"),
        ("fields: day=\"last foo\"", 18, "expected a weekday"),
        ("fields: day=\"6th fri\"", 13, "`1st` to `5th`"),
        ("fields: day_of_week=mon#2", 23, "expected `,`"),
        ("1-5/0 * * * *", 4, "a step of 0"),
        ("*/60 * * * *", 2, "larger than the range"),
        ("*/59 * * * */7", 13, "larger than the range"),
        ("1-5/5 * * * *", 4, "spans 4"),
        ("5/10 * * * *", 1, "such as 5-59/10"),
        ("30-10 * * * *", 0, "write two ranges: 30-59,0-10"),
        ("* 22-2 * * *", 2, "22-23,0-2"),
        ("60 * * * *", 0, "60 is out of range: minute is 0 to 59"),
        ("99999999999999999999 * * * *", 0, "out of range"),
        ("* * 0 * *", 4, "1 to 31"),
        ("******", 1, "found `*`"),
        ("* * * *", 7, "not 4"),
        ("*", 1, "not 1"),
        ("*/10 * * * * *", 13, "for seconds write fields: second=*/10"),
        ("0 0 12 * * ? 2026", 11, "not 7"),
        ("0 0 31 feb *", 4, "never comes"),
        ("cron: 0 0 30-31 2 *", 10, "never comes"),
        ("fields: month=feb day=30", 22, "never comes"),
        ("fields: week=20 month=1", 22, "never comes"),
        ("1, * * * *", 2, "expected a number"),
        (",1 * * * *", 0, "expected"),
        ("1,,2 * * * *", 2, "found `,`"),
        ("٣ * * * *", 0, "expected"),
        ("0 ٣ * * *", 2, "U+0663"),
        ("0 -1 * * *", 2, "found `-`"),
        ("0 0 ? * *", 4, "found `?`"),
        ("@reboot", 0, "a schedule outlives restarts"),
        ("@dayly", 0, "did you mean @daily?"),
        ("cron: @daily x", 6, "there is no"),
        ("0 9 * * * @ Asia/Shangai", 12, "did you mean Asia/Shanghai?"),
        ("0 9 * * * @ local", 12, "leave it out"),
        ("0 9 * * * @ /etc/localtime", 12, "is a path"),
        ("0 9 * * * @", 11, "a time zone such as"),
        ("0 9 * * * from tomorrow", 15, "a date such as"),
        ("0 9 * * * from 2026-02-30", 15, "there is no 2026-02-30"),
        ("0 9 * * * from 2026-2-3", 20, "two digits"),
        ("0 9 * * * from 2026-01-01T25:00", 26, "an hour of two digits"),
        ("0 9 * * * from 2026-01-01T09:00+2", 32, "two digits"),
        ("0 9 * * * from 10000-01-01", 15, "four digits"),
        ("0 9 * * * from 0001-01-01", 15, "1970 to 9999"),
        ("0 9 * * * from 2026-02-01 until 2026-01-01", 32, "ends before it begins"),
        ("0 9 * * * from 2026-01-01 from 2026-01-02", 31, "given twice"),
        ("0 9 * * * jitter 30", 0, ""),
        ("0 9 * * * jitter 30x", 19, "a unit: w, d, h, m or s"),
        ("0 9 * * * jitter 2d", 17, "at most a day"),
        ("0 9 * * * max 0", 14, "0 is out of range"),
        ("0 9 * * * max ten", 14, "expected max_runs"),
        ("0 9 * * * dst never", 14, "one of default, skip, both"),
        ("0 9 * * * within 1s", 10, "`within` belongs to `and`"),
        ("0 9 * * * except 2026-12-27..2026-12-25", 17, "runs backwards"),
        ("0 9 * * * except 2026-12-27,", 28, "a date such as"),
        ("0 9 * * * except 2026-12-25,,2026-12-26", 28, "a date such as"),
        ("0 9 * * * except 2026-12-25 2026-12-26", 28, "expected `or`, `and`, an option"),
        ("every", 5, "a span such as"),
        ("every 0s", 6, "an interval of zero"),
        ("every -2m", 6, "a span such as"),
        ("every 2", 7, "a unit: years"),
        ("every 2 m", 8, "a letter stands without a space"),
        ("every 2x", 7, "a unit: w, d, h, m or s"),
        ("every 2m2m", 8, "given twice"),
        ("every 0 days", 6, "not all of them zero"),
        ("every 1 day 2 hours", 14, "do not go together"),
        ("every 2m at 09:00", 9, "no time of day"),
        ("every 1 day at 9:0", 17, "two digits"),
        ("every 1 day at 9", 15, "two digits"),
        ("every day at 24:00", 13, "up to 23"),
        ("every monday at 9:60", 18, "up to 59"),
        ("every monday at 9:00:30", 16, "hours and minutes"),
        ("every monday 9:00", 13, "expected"),
        ("every 2 monday at 9:00", 8, "expected a unit"),
        ("every mond at 9:00", 6, "a day of the week"),
        ("every 200000000m", 6, "at most 100 years"),
        ("every 1m jitter 1m", 16, "shorter than the interval"),
        ("every 1m dst skip", 13, "elapsed time"),
        ("every 1 month from 2026-01-01T09:00", 19, "begins on a date"),
        ("at 2026-10-25T02:30 @ Europe/Berlin", 3, "comes twice in Europe/Berlin"),
        ("at 2026-03-29T02:30 @ Europe/Berlin", 3, "clocks go from 2026-03-29 02:00:00 to 2026-03-29 03:00:00"),
        ("at 2026-12-24T18:00 fold=1 @ Europe/Berlin", 25, "this time comes once"),
        ("at 2026-10-25T02:30 fold=2 @ Europe/Berlin", 25, "0 to 1"),
        ("at 2026-12-24", 13, "expected `T`"),
        ("at", 2, "a time such as"),
        ("after", 5, "a script's name"),
        ("after a on tuesday", 11, "one of succeeded, failed, any"),
        ("after a/b", 6, "not a script's name"),
        ("after label =x", 12, "key=value"),
        ("fields:", 7, "such as hour=9"),
        ("fields: hours=9", 8, "did you mean hour?"),
        ("fields: hour=9 hour=10", 20, "given twice"),
        ("fields: hour = 9", 8, "such as hour=9"),
        ("fields: hour=", 13, "found nothing"),
        ("fields: day=\"last fri", 12, "not closed"),
        ("(every 2m", 9, "expected `)`"),
        ("every 2m)", 8, "an option"),
        ("every 2m or", 11, "expected a crontab line"),
        ("every 2m every 3m", 9, "another number"),
        ("every 2m or (every 3m jitter 2s)", 29, "of the whole trigger"),
        ("every 2m @ UTC junk", 15, "an option"),
    ];
    let mut wrong = Vec::new();
    for (text, at, part) in table {
        if part.is_empty() {
            read(text);
            continue;
        }
        let error = refused(text);
        if !error.message.contains(part) || error.at != Some(*at) || error.text.as_deref() != Some(*text) {
            wrong.push(format!("{text} (expected at {at}): {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let nested = |depth: usize| (0..depth).fold("every 1h".to_owned(), |inner, _| format!("every 1h or ({inner})"));
    assert_eq!(read(&read(&nested(8)).to_string()), read(&nested(8)));
    assert!(refused(&nested(9)).message.contains("at most 8 deep"));
    assert!(refused(&["every 1h"; 101].join(" or ")).message.contains("at most 100 triggers"));
    let parentheses = |depth: usize| format!("{}every 1h{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(read(&parentheses(64)), read("every 1h"));
    assert!(refused(&parentheses(5_000)).message.contains("too many parentheses"));
    assert!(refused(&" ".repeat(300_000)).message.contains("at most 262144 bytes"));
    assert_eq!(refused("0 0 * * fri#2x").caret().unwrap(), "0 0 * * fri#2x\n             ^");
}

#[test]
fn bad_json_names_the_field() {
    let table: &[(Value, &str, usize, &str)] = &[
        (json!(7), "", 0, "a trigger is an object"),
        (json!({}), "type", 0, "one of cron, interval"),
        (json!({"type": "corn"}), "type", 0, "did you mean cron?"),
        (json!({"type": "cron"}), "crontab", 0, "needs crontab, or fields"),
        (json!({"type": "cron", "crontab": "0 9 * *"}), "crontab", 7, "not 4"),
        (json!({"type": "cron", "crontab": "0 9 * * fri#2x"}), "crontab", 13, "found `x`"),
        (json!({"type": "cron", "crontab": " 0 9 * * 1-5 *"}), "crontab", 13, "not 6"),
        (json!({"type": "cron", "crontab": "0 9 31 2 *"}), "crontab", 4, "never comes"),
        (json!({"type": "cron", "crontab": "0 9 * * *", "hour": 9}), "hour", 0, "two dialects"),
        (json!({"type": "cron", "hours": 9}), "hours", 0, "did you mean hour?"),
        (json!({"type": "cron", "hour": 24}), "hour", 0, "0 to 23"),
        (json!({"type": "cron", "hour": 9.5}), "hour", 1, "found `.`"),
        (json!({"type": "cron", "hour": [9]}), "hour", 0, "text or a number"),
        (json!({"type": "cron", "minute": "*/60"}), "minute", 2, "larger than the range"),
        (json!({"type": "interval"}), "", 0, "needs weeks, days"),
        (json!({"type": "interval", "minutes": 0}), "minutes", 0, "never passes"),
        (json!({"type": "interval", "minutes": -2}), "minutes", 0, "found `-`"),
        (json!({"type": "interval", "minute": 2}), "minute", 0, "did you mean minutes?"),
        (json!({"type": "interval", "minutes": 2, "max_run": 3}), "max_run", 0, "did you mean max_runs?"),
        (json!({"type": "interval", "minutes": 2, "jitter": 120}), "jitter", 0, "shorter than the interval"),
        (
            json!({"type": "interval", "minutes": 2, "timezone": "Europe/Berln"}),
            "timezone",
            0,
            "did you mean Europe/Berlin?",
        ),
        (json!({"type": "calendar_interval", "time": "09:00"}), "", 0, "needs years"),
        (json!({"type": "date"}), "run_date", 0, "needs its time"),
        (
            json!({"type": "date", "run_date": "2026-10-25T02:30", "timezone": "Europe/Berlin"}),
            "run_date",
            0,
            "comes twice",
        ),
        (
            json!({"type": "or", "triggers": [{"type": "interval", "minutes": 1}]}),
            "triggers",
            0,
            "two triggers or more",
        ),
        (
            json!({"type": "or", "triggers": [{"type": "interval", "minutes": 1}, {"type": "cron", "minute": "x"}]}),
            "triggers[1].minute",
            0,
            "expected",
        ),
        (
            json!({"type": "or", "triggers": [{"type": "interval", "minutes": 1}, {"type": "cron", "minit": 1}]}),
            "triggers[1].minit",
            0,
            "did you mean minute?",
        ),
        (json!({"type": "interval", "hours": 1, "exclude": ["2026-01-01", "soon"]}), "exclude[1]", 0, "a date such as"),
        (json!({"type": "after"}), "script", 0, "a chain needs a script"),
        (json!({"type": "after", "script": "a", "on": "tuesday"}), "on", 0, "one of succeeded"),
    ];
    for (value, field, at, part) in table {
        let error = read_json(value.clone()).unwrap_err();
        assert!(error.message.contains(part), "{value}: {error}");
        assert_eq!(error.field.as_deref().unwrap_or_default(), *field, "{value}: {error}");
        assert_eq!(error.at.unwrap_or(0), *at, "{value}: {error}");
    }
}

#[test]
fn what_can_never_fire_is_refused_when_it_is_made() {
    let now = time("2026-06-01T00:00:00Z");
    let table = [
        ("fields: year=2020", "year", "no fire time is left"),
        ("0 0 1 1 * until 2026-12-31", "end_date", "before the first fire"),
        ("every 1h until 2026-05-01", "end_date", "before the first fire"),
        ("at 2026-05-01T00:00", "run_date", "has passed"),
        ("0 0 1 7 * until 2026-08-01 except 2026-07-01", "exclude", "leave no fire time"),
        ("0 0 * * * except 1970-01-01..9999-12-31", "exclude", "leave no fire time"),
        ("* * * * * jitter 2m", "jitter", "here 60 s"),
        ("0,1 9 * * * jitter 60s", "jitter", "here 60 s"),
        ("at 2026-05-01T00:00 or fields: year=2020", "triggers[0].run_date", "has passed"),
        ("every 1h and at 2026-06-02T00:30", "triggers", "never agree"),
    ];
    for (text, field, part) in table {
        let error = read(text).validate(now).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(error.field.as_deref(), Some(field), "{text}: {error}");
    }
    for text in [
        "every 1h",
        "0 0 29 2 *",
        "* * * * * jitter 59s",
        "at 2026-06-01T00:00",
        "every 1h or after a",
        "every 1h or fields: year=2020",
    ] {
        read(text).validate(now).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn stretches_of_time_are_asked_for_from_both_ends() {
    let (from, until) = (time("2026-01-01T00:00:00Z"), time("2026-01-11T00:00:00Z"));
    for text in
        ["every 1h", "0 * * * *", "every 1h except 2026-01-03", "every 1h or every 2h", "every 1h until 2026-01-09"]
    {
        let trigger = read(text);
        let all = trigger.fires_between(from, until, 10_000).unwrap();
        assert!(!all.more);
        assert!(all.fires.iter().all(|fire| fire.at > from && fire.at <= until));
        let some = trigger.fires_between(from, until, 10).unwrap();
        assert!(some.more && some.fires == all.fires[..10]);
        for limit in [1, 7, 100, 1_000] {
            let newest = trigger.newest_between(from, until, limit).unwrap();
            let older = all.fires.len().saturating_sub(limit);
            assert_eq!(
                newest.fires.iter().map(|fire| fire.at).collect::<Vec<_>>(),
                all.fires[older..].iter().map(|fire| fire.at).collect::<Vec<_>>(),
                "{text} {limit}"
            );
            match newest.older {
                None => assert_eq!(older, 0, "{text} {limit}"),
                Some(found) => {
                    assert_eq!(found.count, older as u64, "{text} {limit}");
                    assert!(found.exact);
                    assert_eq!((found.first, found.last), (all.fires[0].at, all.fires[older - 1].at), "{text}");
                }
            }
        }
    }
    // Two years of seconds: by arithmetic, or as a lower bound.
    let long = time("2028-01-01T00:00:00Z");
    let newest = read("every 1s").newest_between(from, long, 1_000).unwrap();
    assert_eq!((newest.fires.len(), newest.older.unwrap().count), (1_000, 730 * 86_400 - 1_000));
    let newest = read("fields: second=*").newest_between(from, long, 1_000).unwrap();
    assert_eq!((newest.fires.len(), newest.fires[999].at, newest.older.unwrap().exact), (1_000, long, false));
    assert_eq!(newest.older.unwrap().last, newest.fires[0].at - TimeDelta::seconds(1));
    // The end of time is a clear end.
    assert_eq!(read("0 0 1 1 *").preview(time("9990-01-01T00:00:00Z"), 5_000).unwrap().len(), 9);
    assert!(read("every 100d").preview(time("9999-01-01T00:00:00Z"), 5_000).unwrap().len() < 5);
    assert_eq!(read("0 0 * * *").preview(from, 5_000).unwrap().len(), 1_000);
}

/// A field that was made up: its text, and which numbers it has.
struct MadeUp {
    text: String,
    has: Vec<u32>,
    star: bool,
}

fn field(dice: &mut Dice, least: u32, most: u32, star: u64) -> MadeUp {
    let mut made = MadeUp { text: String::new(), has: Vec::new(), star: false };
    if dice.roll(10) < star {
        let step = if dice.roll(2) == 0 { 1 } else { 1 + dice.roll(u64::from(most - least).min(12)) as u32 };
        made.text = if step == 1 { "*".into() } else { format!("*/{step}") };
        made.has = (least..=most).step_by(step as usize).collect();
        made.star = true;
        return made;
    }
    for item in 0..=dice.roll(2) {
        let first = least + dice.roll(u64::from(most - least + 1)) as u32;
        let last = if dice.roll(2) == 0 { first } else { first + dice.roll(u64::from(most - first + 1)) as u32 };
        let step = 1 + if last > first { dice.roll(u64::from(last - first).min(6)) as u32 } else { 0 };
        made.text += if item > 0 { "," } else { "" };
        made.text += &match (first == last, step) {
            (true, _) => first.to_string(),
            (false, 1) => format!("{first}-{last}"),
            _ => format!("{first}-{last}/{step}"),
        };
        made.has.extend((first..=last).step_by(step as usize));
    }
    made
}

/// A trigger that was made up, and the local times it names.
struct Sample {
    text: String,
    has: Box<dyn Fn(NaiveDateTime) -> bool>,
    elapsed: bool,
}

fn crontab(dice: &mut Dice) -> Sample {
    let minute = field(dice, 0, 59, 3);
    let hour = field(dice, 0, 23, 3);
    let day = field(dice, 1, 31, 7);
    let month = field(dice, 1, 12, 8);
    let weekday = field(dice, 0, 6, 6);
    let text = format!("{} {} {} {} {}", minute.text, hour.text, day.text, month.text, weekday.text);
    let elapsed = minute.star || hour.star;
    let has = move |wall: NaiveDateTime| {
        let by_day = day.has.contains(&wall.day());
        let by_weekday = weekday.has.contains(&wall.weekday().num_days_from_sunday());
        let date = if day.star || weekday.star { by_day && by_weekday } else { by_day || by_weekday };
        minute.has.contains(&wall.minute())
            && hour.has.contains(&wall.hour())
            && month.has.contains(&wall.month())
            && date
    };
    Sample { text, has: Box::new(has), elapsed }
}

fn seconds(dice: &mut Dice) -> Sample {
    let second = field(dice, 0, 59, 2);
    let minute = field(dice, 0, 59, 2);
    let hour = field(dice, 0, 23, 3);
    let weekday = field(dice, 0, 6, 8);
    let text = format!(
        "fields: second={} minute={} hour={} day_of_week={}",
        second.text, minute.text, hour.text, weekday.text
    );
    let elapsed = second.star || minute.star || hour.star;
    let has = move |wall: NaiveDateTime| {
        second.has.contains(&wall.second())
            && minute.has.contains(&wall.minute())
            && hour.has.contains(&wall.hour())
            && weekday.has.contains(&wall.weekday().num_days_from_monday())
    };
    Sample { text, has: Box::new(has), elapsed }
}

/// What the clocks of a zone show, step by step, by another library.
fn clocks(zone: &str, from: Time, until: Time, step: TimeDelta) -> Vec<(Time, NaiveDateTime)> {
    let zone: chrono_tz::Tz = zone.parse().unwrap();
    let steps = std::iter::successors(Some(from), |at| Some(*at + step)).take_while(|at| *at <= until);
    steps.map(|at| (at, at.with_timezone(&zone).naive_local())).collect()
}

/// Cron's rule as cronie has it, step by step: a virtual clock that only goes forward follows the wall clock. Fixed
/// jobs run for each step of the virtual clock, wildcard jobs for what the wall clock shows.
fn walk(sample: &Sample, dst: &str, clocks: &[(Time, NaiveDateTime)], step: TimeDelta) -> Vec<Time> {
    let mut virtual_clock = clocks[0].1;
    let mut found = Vec::new();
    for (at, now) in clocks[1..].iter().copied() {
        let shown = (sample.has)(now);
        let first_time = now > virtual_clock;
        let mut fixed = first_time && shown;
        while virtual_clock < now {
            virtual_clock += step;
            fixed |= virtual_clock < now && dst != "skip" && (sample.has)(virtual_clock);
        }
        let fires = match (dst, sample.elapsed) {
            ("default", false) => fixed,
            ("default" | "both", true) => shown,
            ("both", false) => fixed || shown,
            _ => first_time && shown,
        };
        if fires {
            found.push(at);
        }
    }
    found
}

/// Zones, and a year in which something happens there.
const ODD: &[(&str, i32)] = &[
    ("Europe/Berlin", 2025),
    ("Australia/Lord_Howe", 2024),
    ("Pacific/Apia", 2011),
    ("Antarctica/Troll", 2024),
    ("Africa/Casablanca", 2024),
    ("Pacific/Kwajalein", 1993),
    ("America/Sao_Paulo", 2018),
    ("America/St_Johns", 2010),
    ("Africa/Cairo", 2024),
    ("Asia/Pyongyang", 2015),
    ("America/New_York", 2025),
    ("Pacific/Chatham", 2025),
    ("UTC", 2025),
];

fn compare(sample: &Sample, dst: &str, zone: &str, clocks: &[(Time, NaiveDateTime)], step: TimeDelta, seed: u64) {
    let text = format!("{} @ {zone} dst {dst}", sample.text);
    let trigger = match Trigger::from_text(&text, &defaults()) {
        Ok(trigger) => trigger,
        // The generator may hit on the 31st of February.
        Err(error) if error.message.contains("never comes") => return,
        Err(error) => panic!("seed {seed}: {text}: {error}"),
    };
    let expected = walk(sample, dst, clocks, step);
    let (from, until) = (clocks[0].0, clocks[clocks.len() - 1].0);
    let found = trigger.fires_between(from, until, usize::MAX).unwrap().fires;
    let mut before = from;
    for fire in &found {
        assert!(fire.at > before, "seed {seed}: {text}: {} is not after {before}", fire.at);
        before = fire.at;
    }
    let found: Vec<Time> = found.iter().map(|fire| fire.at).collect();
    if let Some(index) = (0..found.len().max(expected.len())).find(|index| found.get(*index) != expected.get(*index)) {
        panic!("seed {seed}: {text}: number {index} is {:?}, by hand {:?}", found.get(index), expected.get(index));
    }
}

#[test]
fn crontabs_fire_when_a_walk_over_minutes_says() {
    let step = TimeDelta::minutes(1);
    for (index, (zone, year)) in ODD.iter().enumerate() {
        let from = Utc.with_ymd_and_hms(*year, 1, 1, 0, 0, 0).unwrap();
        let clocks = clocks(zone, from, from + TimeDelta::days(366), step);
        for round in 0..4 {
            let seed = index as u64 * 1_000 + round;
            let mut dice = Dice::new(seed);
            let sample = crontab(&mut dice);
            compare(&sample, dice.pick(&["default", "default", "skip", "both"]), zone, &clocks, step, seed);
        }
    }
}

#[test]
fn fields_fire_when_a_walk_over_seconds_says() {
    let step = TimeDelta::seconds(1);
    for (index, (zone, year)) in ODD.iter().enumerate() {
        let tz = Zones::embedded().get(zone).unwrap();
        let mut at = Utc.with_ymd_and_hms(*year, 1, 1, 0, 0, 0).unwrap();
        while let Some(change) = tz.next_transition(at).filter(|change| change.year() == *year) {
            at = change;
            let clocks = clocks(zone, at - TimeDelta::hours(4), at + TimeDelta::hours(5), step);
            for round in 0..4 {
                let seed = index as u64 * 1_000 + 500 + round;
                let mut dice = Dice::new(seed);
                let sample = seconds(&mut dice);
                compare(&sample, dice.pick(&["default", "default", "skip", "both"]), zone, &clocks, step, seed);
            }
        }
    }
}

/// Asked from any instant, not only from a fire, the answer is the first fire after it.
#[test]
fn the_next_fire_is_the_first_one_after_any_instant() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let (zone, year) = dice.pick(ODD);
        let text = format!("{} @ {zone} dst {}", crontab(&mut dice).text, dice.pick(&["default", "skip", "both"]));
        let Ok(trigger) = Trigger::from_text(&text, &defaults()) else { continue };
        let from = Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap() + TimeDelta::minutes(dice.roll(500_000) as i64);
        let fires = trigger.fires_between(from, from + TimeDelta::days(400), 50).unwrap().fires;
        let mut before = from;
        for fire in fires {
            let between = before
                + TimeDelta::microseconds(dice.roll((fire.at - before).num_microseconds().unwrap() as u64) as i64);
            assert_eq!(
                trigger.next_after(between).unwrap().unwrap().at,
                fire.at,
                "seed {seed}: {text} after {between}"
            );
            before = fire.at;
        }
    }
}

/// What a list of fires says and what one asks for alone are the same, for every kind of trigger.
#[test]
fn fires_go_forward_whatever_the_kind() {
    let texts = [
        "every 7h13m except 2026-03-29, 2026-10-25",
        "every 1 month 3 days at 02:30 @ Europe/Berlin dst both",
        "30 2 * * * @ Europe/Berlin dst both except 2026-03-01..2026-03-28",
        "(*/20 * * * * @ Pacific/Apia or 30 2 * * * @ Australia/Lord_Howe or every 25m) @ America/St_Johns",
        "every 4h and */40 * * * *",
        "(0 * * * * and every 59m) within 2m",
        "59 23 * * * @ America/St_Johns from 2010-10-01 dst both except 2010-11-06",
        "fields: second=*/7 minute=0-59/13 hour=2 @ Antarctica/Troll dst both",
    ];
    for (seed, text) in texts.into_iter().enumerate() {
        let trigger = read(text);
        let mut dice = Dice::new(seed as u64);
        for start in ["2010-11-01T00:00:00Z", "2026-03-20T00:00:00Z", "2026-10-20T00:00:00Z"] {
            let mut before = time(start) + TimeDelta::microseconds(dice.roll(86_400_000_000) as i64);
            for fire in trigger.preview(before, 300).unwrap() {
                assert!(fire.at > before, "{text}: {} is not after {before}", fire.at);
                let alone = trigger.next_after(before).unwrap().unwrap();
                assert_eq!((alone.at, alone.local, alone.fold), (fire.at, fire.local, fire.fold), "{text}");
                assert_eq!(
                    trigger.next_after(fire.at - TimeDelta::microseconds(1)).unwrap().unwrap().at,
                    fire.at,
                    "{text}"
                );
                assert_eq!(DateTime::parse_from_rfc3339(&fire.rfc3339()).unwrap(), fire.at, "{text}");
                before = fire.at;
            }
        }
    }
}

/// Whatever is typed, the answer is a trigger that prints back, or an error that points into the text.
#[test]
fn no_text_breaks_the_parser() {
    let good = [
        "cron: 0 9 * * fri#2,5L @ Asia/Shanghai from 2026-01-01T09:00 until 2026-12-31 jitter 30s except 2026-12-25, 2026-12-27..2026-12-31",
        "fields: day=\"last fri, 1st mon\" day_of_week=0-4 hour=9-17/2",
        "(every 1h30m and every 2 weeks at 09:00) within 5s or after label \"team=x\" on any",
        "at 2026-10-25T02:30:00.5+01:00 fold=1 dst skip max 3",
    ];
    let bits: &[&str] = &[
        "", " ", ",", "-", "/", "*", "L", "#", "(", ")", "\"", "@", "=", "0", "99", "é", "٣", "\u{0}", "\n", "or",
        "and", "except", "..",
    ];
    for seed in 0..5_000 {
        let mut dice = Dice::new(seed);
        let mut text: Vec<char> = dice.pick(&good).chars().collect();
        for _ in 0..=dice.roll(3) {
            let from = dice.roll(text.len() as u64 + 1) as usize;
            let to = (from + dice.roll(4) as usize).min(text.len());
            text.splice(from..to, dice.pick(bits).chars());
        }
        let text: String = text.into_iter().collect();
        match Trigger::from_text(&text, &defaults()) {
            Ok(trigger) => assert_eq!(read(&trigger.to_string()), trigger, "seed {seed}: {text}: {trigger}"),
            Err(error) => {
                let at = error.at.unwrap_or_else(|| panic!("seed {seed}: {text}: {error}"));
                assert!(text.is_char_boundary(at) && error.caret().is_some(), "seed {seed}: {text}: {error}");
            }
        }
    }
}

#[test]
fn zones_agree_with_another_library() {
    let zones = Zones::embedded();
    for (name, year) in ODD {
        let (ours, theirs) = (zones.get(name).unwrap(), name.parse::<chrono_tz::Tz>().unwrap());
        let mut at = Utc.with_ymd_and_hms(year - 1, 1, 1, 0, 0, 0).unwrap();
        let end = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap().min(at + TimeDelta::days(3 * 366));
        while at < end {
            let local = ours.local(at).0;
            assert_eq!(local, at.with_timezone(&theirs).naive_local(), "{name} {at}");
            let resolved = theirs.from_local_datetime(&local);
            match ours.resolve(local) {
                Local::Unique(time) => {
                    assert_eq!(resolved.single().map(|time| time.to_utc()), Some(time), "{name} {local}")
                }
                Local::Fold { first, second } => {
                    assert_eq!(resolved.earliest().map(|time| time.to_utc()), Some(first), "{name} {local}");
                    assert_eq!(resolved.latest().map(|time| time.to_utc()), Some(second), "{name} {local}");
                }
                Local::Gap { .. } => panic!("{name} shows {local}, which does not exist"),
            }
            // A local time that may lie in a gap.
            let naive = at.naive_utc();
            if let Local::Gap { at: after, before_offset, after_offset } = ours.resolve(naive) {
                assert!(theirs.from_local_datetime(&naive).single().is_none(), "{name} {naive}");
                assert_eq!(ours.offset_at(after), after_offset);
                assert_eq!(ours.offset_at(after - TimeDelta::seconds(1)), before_offset);
                assert!(ours.local(after).0 > naive && ours.local(after - TimeDelta::seconds(1)).0 < naive);
            }
            at += TimeDelta::minutes(30);
        }
    }
    let every = NaiveDate::from_ymd_opt(2020, 7, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    for name in zones.names() {
        let Ok(theirs) = name.parse::<chrono_tz::Tz>() else { continue };
        assert_eq!(zones.get(name).unwrap().local(every).0, every.with_timezone(&theirs).naive_local(), "{name}");
    }
}
