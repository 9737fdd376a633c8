//! Keeps the cache of packages within bounds: what was used longest ago goes.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Bytes of wheels, and of what the resolver keeps for itself.
const MOST: u64 = 2 << 30;
/// What an order that was cut off left is removed after this time; no order takes so long.
const LEFT_FOR: Duration = Duration::from_secs(60 * 60);

/// The wheels, by the digests that locks name.
pub(super) fn wheels(cache: &Path) -> PathBuf {
    cache.join("wheels")
}

/// What the resolver keeps.
pub(super) fn resolvers(cache: &Path) -> PathBuf {
    cache.join("uv")
}

/// Notes that a file was used.
pub(super) fn touch(path: &Path) {
    // A file that cannot be marked goes a little earlier.
    let _ = fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes the wheels that were used longest ago, as far as there are too many, and what was left by orders that were cut
/// off.
pub(super) fn prune(cache: &Path) -> io::Result<()> {
    prune_to(cache, MOST, SystemTime::now())
}

fn prune_to(cache: &Path, most: u64, now: SystemTime) -> io::Result<()> {
    let is_old =
        |about: &Metadata| about.modified().is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age > LEFT_FOR));
    for (path, about) in entries(cache)? {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if about.is_dir() && (name.starts_with("order-") && is_old(&about) || name.starts_with(SET_ASIDE)) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    let mut kept = Vec::new();
    for (path, about) in entries(&wheels(cache))? {
        if path.extension() == Some(OsStr::new("half")) && is_old(&about) {
            let _ = fs::remove_file(&path);
        } else if about.is_file() {
            kept.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
        }
    }
    kept.sort();
    let mut size: u64 = kept.iter().map(|(_, size, _)| size).sum();
    for (_, bytes, path) in kept {
        if size <= most {
            break;
        }
        // Whoever reads it now has it open, and whoever wants it next fetches it again.
        fs::remove_file(path)?;
        size -= bytes;
    }
    Ok(())
}

/// Whether the resolver keeps too much.
pub(super) fn is_full(cache: &Path) -> bool {
    size_of(&resolvers(cache), MOST) > MOST
}

const SET_ASIDE: &str = "set-aside-";

/// Puts away what the resolver keeps, while none is at work; [`prune`] removes it.
pub(super) fn set_aside(cache: &Path) -> io::Result<()> {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    fs::rename(resolvers(cache), cache.join(format!("{SET_ASIDE}{}-{}", std::process::id(), time.as_nanos())))
}

/// The bytes of all files below a directory, counted no further than `enough`.
fn size_of(directory: &Path, enough: u64) -> u64 {
    let mut size = 0;
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for (path, about) in entries(&directory).unwrap_or_default() {
            if about.is_dir() {
                open.push(path);
            } else {
                size += about.len();
            }
        }
        if size > enough {
            break;
        }
    }
    size
}

/// What is in a directory; nothing when it is not there. Links are not followed.
fn entries(directory: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    // What is gone by now is not there.
    Ok(listed.flatten().filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let cache = std::env::temp_dir().join(format!("cronbox-cache-{}", std::process::id()));
        let _ = fs::remove_dir_all(&cache);
        fs::create_dir_all(wheels(&cache)).expect("a folder");
        fs::create_dir_all(resolvers(&cache)).expect("a folder");
        let start = SystemTime::now() - Duration::from_secs(10_000);
        let set = |path: &Path, age: u64| {
            let file = fs::File::open(path).expect("opens");
            file.set_modified(start + Duration::from_secs(age)).expect("a time");
        };
        for (age, name) in ["a.whl", "b.whl", "c.whl", "d.whl", "e.123.half"].iter().enumerate() {
            let path = wheels(&cache).join(name);
            fs::write(&path, [0; 100]).expect("writes");
            set(&path, age as u64);
        }
        for name in ["order-1", "order-2", "set-aside-1-2"] {
            fs::create_dir(cache.join(name)).expect("a folder");
        }
        set(&cache.join("order-1"), 0);
        touch(&wheels(&cache).join("a.whl"));
        prune_to(&cache, 250, SystemTime::now()).expect("prunes");
        let names = |directory: &Path| {
            let mut names: Vec<_> = entries(directory).expect("lists").into_iter().map(|(path, _)| path).collect();
            names.sort();
            names
                .iter()
                .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&wheels(&cache)), ["a.whl", "d.whl"]);
        assert_eq!(names(&cache), ["order-2", "uv", "wheels"]);
        fs::write(resolvers(&cache).join("index"), [0; 100]).expect("writes");
        assert_eq!((size_of(&cache, 1 << 20), is_full(&cache)), (300, false));
        set_aside(&cache).expect("renames");
        prune_to(&cache, 250, SystemTime::now()).expect("prunes");
        assert_eq!(names(&cache), ["order-2", "wheels"]);
        let _ = fs::remove_dir_all(&cache);
    }
}
