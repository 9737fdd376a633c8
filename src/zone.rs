//! Time zones, from one release of the IANA database: the one that was built in, which scripts see too, or a directory
//! that the operator names.

use crate::clock::Time;
use crate::suggest::nearest;
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{fmt, fs, io};

mod machine;
mod meant;

pub use machine::of_machine;

include!(concat!(env!("OUT_DIR"), "/zones.rs"));
static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones.bin"));

/// Largest file that is taken for a zone; the real ones have less than 4 KiB.
const MAX_FILE: u64 = 256 << 10;
/// Most zones in a directory; the database has 600.
const MAX_ZONES: usize = 5_000;
/// How deep a directory of zones goes; the deepest real one is America/Argentina/Ushuaia.
const MAX_DEPTH: usize = 4;
/// What lies in a zoneinfo directory and is no zone of its own: copies with other rules, links to the machine's own zone.
const NO_ZONES: &[&str] = &["posix", "right", "posixrules", "localtime", "Factory"];

static INSTALLED: OnceLock<Zones> = OnceLock::new();

/// The release of a directory that does not say which it is.
pub const UNKNOWN: &str = "unknown";

/// The release that this program goes by: what it was told to at its start ([`install`]), else the one that was built in.
pub fn installed() -> &'static Zones {
    INSTALLED.get_or_init(Zones::embedded)
}

/// Goes by another release from now on. False when zones were asked for already: it stays as it is.
pub fn install(zones: Zones) -> bool {
    INSTALLED.set(zones).is_ok()
}

/// A release of the database. Clones share what was read.
#[derive(Clone)]
pub struct Zones {
    data: Arc<Data>,
}

struct Data {
    release: String,
    /// By the name in lower case: the name as it is written, and the TZif file.
    files: BTreeMap<String, (String, Cow<'static, [u8]>)>,
    /// What has been asked for.
    read: Mutex<HashMap<String, Zone>>,
}

/// A name that is no zone's. A sentence that names the nearest one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadZone {
    why: String,
}

/// A directory that cannot serve as the database.
#[derive(Debug, thiserror::Error)]
pub enum BadZones {
    /// Something in it cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing of use in it.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// A sentence.
        why: String,
    },
}

impl Zones {
    /// The release that was built in.
    pub fn embedded() -> Self {
        let file = |(name, at, size): &(&str, usize, usize)| {
            (name.to_ascii_lowercase(), ((*name).to_owned(), Cow::Borrowed(&BLOB[*at..at + size])))
        };
        Zones::new(RELEASE.into(), TABLE.iter().map(file).collect())
    }

    /// What a zoneinfo directory such as `/usr/share/zoneinfo` holds. It is read whole, so that a later change to it
    /// changes nothing half-way.
    pub fn from_dir(dir: &Path) -> Result<Self, BadZones> {
        let mut files = BTreeMap::new();
        collect(dir, "", 0, &mut files)?;
        if !files.contains_key("utc") {
            return Err(BadZones::Unusable { path: dir.into(), why: "no compiled zones here: UTC is missing".into() });
        }
        for (name, bytes) in files.values() {
            jiff::tz::TimeZone::tzif(name, bytes)
                .map_err(|error| BadZones::Unusable { path: dir.join(name), why: error.to_string() })?;
        }
        Ok(Zones::new(release_of(dir).unwrap_or_else(|| UNKNOWN.into()), files))
    }

    fn new(release: String, files: BTreeMap<String, (String, Cow<'static, [u8]>)>) -> Self {
        Zones { data: Arc::new(Data { release, files, read: Mutex::default() }) }
    }

    /// The release, such as `2026f`; `unknown` when the directory does not say.
    pub fn release(&self) -> &str {
        &self.data.release
    }

    /// Every zone's name, aliases too, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.data.files.values().map(|(name, _)| name.as_str())
    }

    /// The zone of a name, without regard to case.
    pub fn get(&self, name: &str) -> Result<Zone, BadZone> {
        let key = name.to_ascii_lowercase();
        let mut read = self.data.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = read.get(&key) {
            return Ok(zone.clone());
        }
        let Some((name, bytes)) = self.data.files.get(&key) else { return Err(self.no_zone(name)) };
        let rules = jiff::tz::TimeZone::tzif(name, bytes)
            .map_err(|error| BadZone { why: format!("the time zone {name} cannot be read: {error}") })?;
        let zone = Zone { rules: Arc::new((name.clone(), rules)) };
        read.insert(key, zone.clone());
        Ok(zone)
    }

    fn no_zone(&self, name: &str) -> BadZone {
        let shown: String = name.chars().take(40).collect();
        let write = "write an IANA name such as Europe/Berlin";
        let why = if name.is_empty() {
            format!("a time zone's name is needed; {write}")
        } else if name.eq_ignore_ascii_case("local") {
            format!("there is no time zone \"local\": leave it out for the server's, or {write}")
        } else if name.starts_with(['/', '.', ':']) {
            format!("{shown:?} is a path, and a time zone has a name; {write}")
        } else if let Some(meant) = meant::meant(&shown, self.names()) {
            format!("there is no time zone {shown:?}: {meant}")
        } else if let Some(near) = nearest(name, self.names()) {
            format!("there is no time zone {shown:?}; did you mean {near}?")
        } else {
            format!("there is no time zone {shown:?}; {write}")
        };
        BadZone { why }
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zones({}, {} names)", self.data.release, self.data.files.len())
    }
}

/// Gathers the TZif files of a directory; everything else in it is passed over.
fn collect(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, (String, Cow<'static, [u8]>)>,
) -> Result<(), BadZones> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| BadZones::Unreadable { path, source }
    };
    for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if NO_ZONES.contains(&file) || file.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{file}");
        // A link that leads nowhere is no zone, and no reason to refuse the others.
        let Ok(about) = fs::metadata(&path) else { continue };
        if about.is_dir() && depth < MAX_DEPTH {
            collect(&path, &format!("{name}/"), depth + 1, files)?;
        } else if about.is_file() && about.len() <= MAX_FILE {
            let bytes = fs::read(&path).map_err(unreadable(&path))?;
            if bytes.starts_with(b"TZif") {
                files.insert(name.to_ascii_lowercase(), (name, Cow::Owned(bytes)));
            }
        }
        if files.len() > MAX_ZONES {
            let why = format!("this is no zoneinfo directory: it holds more than {MAX_ZONES} zones");
            return Err(BadZones::Unusable { path: dir.into(), why });
        }
    }
    Ok(())
}

/// The release that a zoneinfo directory says it is.
fn release_of(dir: &Path) -> Option<String> {
    let first = |file: &str| -> Option<String> {
        let text = fs::read(dir.join(file)).ok()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        let line = std::str::from_utf8(line).ok()?;
        Some(line.trim_start_matches("# version ").trim().chars().take(20).collect())
    };
    ["+VERSION", "tzdata.zi", "version"].into_iter().find_map(first).filter(|release| !release.is_empty())
}

/// A time zone. Two are equal when their names are.
#[derive(Clone)]
pub struct Zone {
    rules: Arc<(String, jiff::tz::TimeZone)>,
}

/// What a local time means in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// It comes once.
    Unique(Time),
    /// It does not exist: clocks are put forward over it.
    Gap {
        /// Seconds east of UTC before.
        before_offset: i32,
        /// Seconds east of UTC after.
        after_offset: i32,
        /// The first instant after the gap.
        at: Time,
    },
    /// It comes twice: clocks are put back over it.
    Fold {
        /// The first time.
        first: Time,
        /// The second time.
        second: Time,
    },
}

/// A stretch of time in which a zone's clocks are not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first instant, and the offset before it; nothing when it has always been so.
    pub start: Option<(Time, i32)>,
    /// The first instant after it; nothing when it stays so.
    pub end: Option<Time>,
    /// Seconds east of UTC.
    pub offset: i32,
}

impl Zone {
    /// As the database writes it: `Europe/Berlin`.
    pub fn name(&self) -> &str {
        &self.rules.0
    }

    /// Seconds east of UTC.
    pub fn offset_at(&self, time: Time) -> i32 {
        self.rules.1.to_offset(stamp(time)).seconds()
    }

    /// What the clocks there show.
    pub fn clocks(&self, time: Time) -> NaiveDateTime {
        shift(time.naive_utc(), self.offset_at(time))
    }

    /// What the clocks there show, and whether they show it for the second time.
    pub fn local(&self, time: Time) -> (NaiveDateTime, bool) {
        let local = self.clocks(time);
        (local, matches!(self.resolve(local), Local::Fold { second, .. } if second == time))
    }

    /// What the clocks there show, with their offset, in RFC 3339.
    pub fn rfc3339(&self, time: Time) -> String {
        let offset = chrono::FixedOffset::east_opt(self.offset_at(time));
        match offset {
            Some(offset) => time.with_timezone(&offset).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
            None => crate::clock::rfc3339(time),
        }
    }

    /// Which instants a local time stands for.
    pub fn resolve(&self, local: NaiveDateTime) -> Local {
        use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
        let utc = |offset: i32| shift(local, -offset).and_utc();
        let Some(civil) = civil(local) else { return Local::Unique(utc(self.offset_at(local.and_utc()))) };
        match self.rules.1.to_ambiguous_timestamp(civil).offset() {
            Unambiguous { offset } => Local::Unique(utc(offset.seconds())),
            Fold { before, after } => Local::Fold { first: utc(before.seconds()), second: utc(after.seconds()) },
            Gap { before, after } => {
                // As if the clocks had been put forward already: so it lies before the change.
                let early = utc(after.seconds());
                let at = self.next_transition(early).unwrap_or(early);
                Local::Gap { before_offset: before.seconds(), after_offset: after.seconds(), at }
            }
        }
    }

    /// When the clocks there are put forward or back next, strictly after an instant.
    pub fn next_transition(&self, after: Time) -> Option<Time> {
        self.rules.1.following(stamp(after)).map(|change| time(change.timestamp())).find(|at| self.changes(*at))
    }

    /// The stretch without a change in which an instant lies.
    pub fn span(&self, at: Time) -> Span {
        // Strictly before the next second: a change at this very second begins the stretch.
        let next = stamp(at).saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(jiff::Timestamp::MAX);
        let start = self.rules.1.preceding(next).map(|change| time(change.timestamp())).find(|at| self.changes(*at));
        Span {
            start: start.map(|start| (start, self.offset_at(start - TimeDelta::seconds(1)))),
            end: self.next_transition(at),
            offset: self.offset_at(at),
        }
    }

    /// The database also notes changes of a name or of what counts as standard time; those move no clock.
    fn changes(&self, at: Time) -> bool {
        self.offset_at(at) != self.offset_at(at - TimeDelta::seconds(1))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A local time so many seconds further on; itself at the ends of what can be told.
fn shift(local: NaiveDateTime, seconds: i32) -> NaiveDateTime {
    local.checked_add_signed(TimeDelta::seconds(seconds.into())).unwrap_or(local)
}

/// Zones know the years up to 9999; beyond, the nearest instant stands in.
fn stamp(time: Time) -> jiff::Timestamp {
    let end = if time.timestamp() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_second(time.timestamp()).unwrap_or(end)
}

fn time(stamp: jiff::Timestamp) -> Time {
    DateTime::from_timestamp(stamp.as_second(), 0).unwrap_or(DateTime::<Utc>::UNIX_EPOCH)
}

/// Whole seconds: no change of the clocks falls between.
fn civil(local: NaiveDateTime) -> Option<jiff::civil::DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    jiff::civil::DateTime::new(
        i16::try_from(local.year()).ok()?,
        small(local.month())?,
        small(local.day())?,
        small(local.hour())?,
        small(local.minute())?,
        small(local.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
    }

    #[test]
    fn zones_are_found_without_regard_to_case() {
        let zones = Zones::embedded();
        assert!(zones.release().starts_with("20"), "{}", zones.release());
        for (asked, name) in
            [("europe/berlin", "Europe/Berlin"), ("UTC", "UTC"), ("etc/gmt+8", "Etc/GMT+8"), ("PRC", "PRC")]
        {
            assert_eq!(zones.get(asked).expect("a zone").name(), name);
        }
        assert_eq!(zones.get("Etc/GMT+8").expect("a zone").offset_at(at("2026-01-01T00:00:00Z")), -8 * 3600);
        assert!(zones.names().count() > 500);
        assert!(zones.names().all(|name| zones.get(name).is_ok()));
    }

    #[test]
    fn a_wrong_name_gets_the_nearest() {
        let zones = Zones::embedded();
        let why = |name: &str| zones.get(name).expect_err(name).to_string();
        assert_eq!(why("Europe/Berln"), "there is no time zone \"Europe/Berln\"; did you mean Europe/Berlin?");
        assert!(why("").contains("a time zone's name is needed"));
        assert!(why("Local").contains("leave it out"));
        assert!(why("../etc/passwd").contains("is a path"));
        assert!(why("/usr/share/zoneinfo/UTC").contains("is a path"));
        assert!(why("x".repeat(10_000).as_str()).len() < 200);
        assert!(why("Factory").contains("there is no time zone"));
    }

    /// C14: what is meant is named, and what could be several zones is not guessed.
    #[test]
    fn a_zone_that_was_meant_is_named_where_that_is_certain() {
        let zones = Zones::embedded();
        let why = |name: &str| zones.get(name).expect_err(name).to_string();
        for (name, zone) in [
            ("Asia/Beijing", "Asia/Shanghai"),
            ("Beijing", "Asia/Shanghai"),
            ("America/San Francisco", "America/Los_Angeles"),
            ("Shanghai", "Asia/Shanghai"),
            ("New York", "America/New_York"),
            ("America/NewYork", "America/New_York"),
            ("Asia/HongKong", "Asia/Hong_Kong"),
            ("Europe/Tokyo", "Asia/Tokyo"),
            ("UTC+8", "Etc/GMT-8"),
            ("utc-05:00", "Etc/GMT+5"),
            ("GMT+08", "Etc/GMT-8"),
            ("+08:00", "Etc/GMT-8"),
            ("+0530", "Asia/Kolkata"),
            ("UTC+0", "UTC"),
            ("JST", "Asia/Tokyo"),
            ("pdt", "America/Los_Angeles"),
        ] {
            let said = why(name);
            let meant = said.split("did you mean ").nth(1).and_then(|rest| rest.split('?').next());
            assert_eq!(meant, Some(zone), "{name}: {said}");
            assert!(zones.get(zone).is_ok(), "{zone}");
        }
        for name in ["CST", "IST", "BST", "PST", "XYZ", "+25:00", "UTC+5:10"] {
            assert!(!why(name).contains("did you mean"), "{name}: {}", why(name));
        }
        assert!(why("CST").contains("America/Chicago, Asia/Shanghai"), "{}", why("CST"));
        for (_, zone) in meant::known() {
            assert!(zones.get(zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn changes_of_the_clocks() {
        let berlin = Zones::embedded().get("Europe/Berlin").expect("a zone");
        let spring = at("2026-03-29T01:00:00Z");
        let autumn = at("2026-10-25T01:00:00Z");
        assert_eq!(berlin.next_transition(at("2026-01-01T00:00:00Z")), Some(spring));
        assert_eq!(berlin.next_transition(spring), Some(autumn));
        assert_eq!(berlin.span(spring), Span { start: Some((spring, 3600)), end: Some(autumn), offset: 7200 });
        assert_eq!(berlin.span(spring - TimeDelta::nanoseconds(1)).end, Some(spring));
        let local = |text: &str| text.parse::<NaiveDateTime>().expect("a local time");
        let gap = Local::Gap { before_offset: 3600, after_offset: 7200, at: spring };
        assert_eq!(berlin.resolve(local("2026-03-29T02:00:00")), gap);
        assert_eq!(berlin.resolve(local("2026-03-29T02:59:59.999")), gap);
        assert_eq!(berlin.resolve(local("2026-03-29T03:00:00")), Local::Unique(spring));
        let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!(berlin.resolve(local("2026-10-25T02:30:00")), Local::Fold { first, second });
        assert_eq!((berlin.local(first).1, berlin.local(second).1), (false, true));
        // Far off, the rule goes on; at the ends of time nothing panics.
        assert_eq!(berlin.offset_at(at("9000-07-01T00:00:00Z")), 7200);
        for end in [Time::MIN_UTC, Time::MAX_UTC] {
            berlin.offset_at(end);
            berlin.span(end);
            berlin.resolve(end.naive_utc());
        }
        let utc = Zones::embedded().get("UTC").expect("a zone");
        assert_eq!(utc.span(spring), Span { start: None, end: None, offset: 0 });
    }

    #[test]
    fn a_directory_can_serve_instead() {
        let dir = std::env::temp_dir().join(format!("cronbox-zones-{}", std::process::id()));
        let here = |file: &str| dir.join(file);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(here("Mars")).expect("a directory");
        assert!(Zones::from_dir(&dir).expect_err("empty").to_string().contains("UTC is missing"));
        let bytes = |name: &str| Zones::embedded().data.files[name].1.to_vec();
        fs::write(here("UTC"), bytes("utc")).expect("written");
        fs::write(here("Mars/Base"), bytes("asia/kathmandu")).expect("written");
        fs::write(here("zone.tab"), "no zone").expect("written");
        fs::write(here("localtime"), bytes("asia/tokyo")).expect("written");
        let zones = Zones::from_dir(&dir).expect("zones");
        assert_eq!((zones.release(), zones.names().collect::<Vec<_>>()), ("unknown", vec!["Mars/Base", "UTC"]));
        assert_eq!(zones.get("mars/base").expect("a zone").offset_at(Time::UNIX_EPOCH), 19_800);
        fs::write(here("tzdata.zi"), "# version 2031a\n# more\n").expect("written");
        assert_eq!(Zones::from_dir(&dir).expect("zones").release(), "2031a");
        fs::write(here("Mars/Broken"), &bytes("asia/tokyo")[..50]).expect("written");
        assert!(Zones::from_dir(&dir).expect_err("broken").to_string().contains("Mars/Broken"));
        fs::remove_dir_all(&dir).expect("removed");
        assert!(matches!(Zones::from_dir(&dir), Err(BadZones::Unreadable { .. })));
    }
}
