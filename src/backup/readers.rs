//! The readers of backups; only in tests.

use super::format::{Manifest, Part, read_index, read_rows};
use crate::readers::{Reader, seeds};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// The readers of this room.
pub(crate) const READERS: &[Reader] = &[("backup", read_backup, seeds_of_backups)];

fn read_backup(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::read(bytes) {
        let written = manifest.write().unwrap_or_default();
        assert!(Manifest::read(&written).is_ok_and(|again| again == manifest), "{manifest:?}");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packed.write_all(bytes).and_then(|()| packed.finish()).unwrap_or_default();
    for content in [bytes, &packed] {
        let _ = read_rows(content);
        let _ = read_index(content);
    }
}

fn seeds_of_backups() -> Vec<Vec<u8>> {
    let mut manifest = Manifest::new("20260101T000000Z-00000000", "2026-01-01T00:00:00Z".into());
    manifest.index = Part::of("blobs.gz".into(), b"x");
    let mut all = seeds(&[
        "{\"table\":\"t\",\"columns\":[[\"a\",\"int\"],[\"b\",\"text\"],[\"c\",\"bytes\"]]}\n[1,\"x\",\"AA==\"]\n[null,null,null]\n",
        "7 files/2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n",
    ]);
    all.extend(manifest.write().map(|written| written.to_vec()));
    all
}
