//! Clocks of nodes that are wrong.

use std::path::{Path, PathBuf};

/// The clocks of the nodes, each its own: libfaketime reads from a file how far the clock of a node is off. The clock of
/// sandboxes is not changed, nor is the monotonic one.
pub struct Clocks {
    library: PathBuf,
    files: Vec<PathBuf>,
}

impl Clocks {
    /// So many, all right.
    pub fn new(folder: &Path, count: usize) -> Self {
        let roots = std::fs::read_dir("/usr/lib").expect("a folder").filter_map(Result::ok);
        let library = roots.map(|root| root.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
        let library = library.expect("libfaketime: apt-get install libfaketime");
        let files: Vec<PathBuf> = (0..count).map(|number| folder.join(format!("clock{number}"))).collect();
        let clocks = Clocks { library, files };
        clocks.set_right();
        clocks
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The environment of a node with this clock.
    pub fn env(&self, number: usize) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE".into(), text(&self.files[number])),
            ("FAKETIME_CACHE_DURATION".into(), "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC".into(), "1".into()),
        ]
    }

    /// All clocks are right again.
    pub fn set_right(&self) {
        (0..self.count()).for_each(|number| self.set(number, 0));
    }

    /// A clock is so many seconds ahead.
    pub fn set(&self, number: usize, seconds: i64) {
        // Readers never see a file that is half written.
        let file = &self.files[number];
        let new = file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).expect("writes");
        std::fs::rename(&new, file).expect("renames");
    }
}
