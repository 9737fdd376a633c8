//! What the operating system says of this process (`proc(5)`).

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use std::fs;

/// What the operating system says of this process; 0 where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// CPU time, of the user's side and the kernel's.
    pub cpu_seconds: f64,
    /// Bytes in memory.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Most that can be open.
    pub most_open_files: u64,
    /// When it started, in seconds since 1970.
    pub started_at: f64,
}

impl Process {
    /// Looks now.
    pub fn look() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Process { open_files: open, most_open_files: most, ..Self::of(&stat, &boot) }
    }

    /// Of the texts of `/proc/self/stat` and `/proc/stat`.
    fn of(stat: &str, boot: &str) -> Self {
        // The second field is the program's name in parentheses, which may hold anything.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        // Counted from 1 with the name as the second: the third is the first here.
        let field =
            |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let ticks = clock_ticks_per_second().max(1) as f64;
        let booted = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        Process {
            cpu_seconds: (field(14) + field(15)) as f64 / ticks,
            virtual_bytes: field(23),
            resident_bytes: field(24).saturating_mul(page_size() as u64),
            started_at: booted.map_or(0.0, |booted| booted + field(22) as f64 / ticks),
            ..Process::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 1000 4096000 12 0";
        let process = Process::of(stat, "cpu 1\nbtime 1700000000\n");
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(process.cpu_seconds, 300.0 / ticks);
        assert_eq!((process.virtual_bytes, process.resident_bytes), (4_096_000, 12 * page_size() as u64));
        assert_eq!(process.started_at, 1.7e9 + 1000.0 / ticks);
        assert_eq!(Process::of("", ""), Process::default());
        let here = Process::look();
        assert!(here.open_files > 0 && here.resident_bytes > 0 && here.started_at > 0.0, "{here:?}");
    }
}
