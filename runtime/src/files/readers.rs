//! The reader of the paths that a script gives, for [`crate::readers`].

use super::directory::{Directory, Node};
use super::link::Follow;
use super::shared::OpenOptions;
use super::tree::Files;
use crate::budget::Budget;
use crate::bundle::Bundle;
use crate::limits::{MAX_NAME, MAX_PATH};
use crate::meter::Meter;
use crate::readers::{Reader, seeds, text};
use std::sync::Arc;

pub(crate) const READERS: &[Reader] = &[("paths of a script", read_paths, seeds_of_paths)];

const MAIN: &[u8] = b"print(1)";
/// Most fuel of one operation: what a path with the most links and names costs, and some more.
const MOST_FUEL: u64 = 20_000_000;

/// Input: one operation on each line, a letter and its paths, separated by tabs.
fn read_paths(bytes: &[u8]) {
    let Ok(bundle) = Bundle::of_files(&[("main.py", MAIN), ("a/b.py", MAIN)]) else { return };
    let meter = Arc::new(Meter::default());
    let account = (Arc::new(Budget::new(1 << 26)), meter.clone());
    let files = Files::new(&Arc::new(bundle), None, 1 << 20, account, 7);
    let mut base = files.root();
    for line in text(bytes).lines().take(200) {
        meter.take();
        act(&files, &mut base, line);
        let fuel = meter.take();
        assert!(fuel <= MOST_FUEL + 200 * line.len() as u64, "{fuel} of fuel for {line:?}");
    }
    let Ok(Node::File(main)) = files.find(&files.root(), "app/main.py", Follow::Always) else {
        panic!("the script is gone");
    };
    assert_eq!(main.read(0, 100), MAIN, "the script was changed");
    let app = files.find(&files.root(), "app", Follow::Never);
    assert!(matches!(app, Ok(Node::Directory(app)) if app.list().len() == 2), "the files of the script were changed");
    check_kept(&files);
}

fn act(files: &Files, base: &mut Arc<Directory>, line: &str) {
    let mut words = line.split('\t');
    let (what, one, other) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let root = files.root();
    match what.unwrap_or_default() {
        "d" => drop(files.make_directory(base, one, 1)),
        "l" => drop(files.make_link(base, other, one, 1)),
        "r" => drop(files.rename((base, one), (&root, other), 1)),
        "u" => drop(files.remove_file(base, one, 1)),
        "x" => drop(files.remove_directory(base, one, 1)),
        "t" => {
            if let Ok(target) = files.read_link(base, one) {
                assert!(!target.is_empty() && target.len() <= MAX_PATH && !target.contains('\0'), "{target:?}");
            }
        }
        "c" => {
            if let Ok(Node::Directory(found)) = files.find(base, one, Follow::Always) {
                *base = found;
            }
        }
        "w" | "e" => {
            let exclusive = what == Some("e");
            let options = OpenOptions { create: true, exclusive, write: true, follow: true, ..OpenOptions::default() };
            if let Ok(Node::File(file)) = files.open(base, one, options, 1) {
                let _ = file.write(0, other.as_bytes(), 1);
            }
        }
        _ => {
            for follow in [Follow::Always, Follow::BeforeSlash, Follow::Never] {
                let _ = files.find(base, line, follow);
            }
        }
    }
}

/// What is kept has paths that lead to no other place, and everything in the tree has a name that can be kept.
fn check_kept(files: &Files) {
    let kept = files.kept();
    let paths = kept.files.iter().map(|(path, _)| path).chain(&kept.links_left_out);
    for path in paths {
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME && !name.contains('\0');
        assert!(path.split('/').all(is_name), "{path:?}");
    }
}

fn seeds_of_paths() -> Vec<Vec<u8>> {
    seeds(&[
        "d\ttmp/d\nw\ttmp/d/f\ttext\nl\toutput/l\t../tmp/d/f\nt\toutput/l\nc\ttmp/d\nr\tf\toutput/g\ntmp/./d//../d/",
        "l\ttmp/a\tb\nl\ttmp/b\ta\ntmp/a/x\nl\toutput/loop\tloop\noutput/loop/",
        "w\tapp/main.py\tx\nu\tapp/main.py\nr\tapp/a\ttmp/a\nl\tapp/l\tmain.py\nl\ttmp/up\t../../../app\nw\ttmp/up/main.py\tx",
        "d\toutput/a\nd\toutput/a/b\nr\toutput/a\toutput/a/b/c\nx\toutput/a/b\nr\toutput\ttmp/o\nu\t.\nx\t..\n/tmp\n\n..",
        "e\toutput/x\t1\ne\toutput/x\t2\nl\toutput/dev\t/dev/null\nw\toutput/dev/\tx\nw\toutput/dev\tx\nd\toutput/n\u{e9}\u{202e}",
    ])
}
