//! The readers of packages and of their indexes, for [`crate::readers`].

use super::{lock, offer, page, sdist, wheel};
use crate::readers::{Reader, seeds, text};
use crate::requirement::Request;
use reqwest::Url;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) const READERS: &[Reader] = &[
    ("page of an index", read_page, seeds_of_pages),
    ("wheel", read_wheel, seeds_of_wheels),
    ("source archive", read_sdist, seeds_of_sdists),
    ("content of a source archive", read_plain, seeds_of_plain),
    ("lock", read_lock, seeds_of_locks),
];

fn read_page(bytes: &[u8]) {
    let (text, Ok(at)) = (text(bytes), Url::parse("https://index.example/simple/demo/")) else { return };
    for is_json in [true, false] {
        if let Ok(files) = page::read(&text, is_json, &at) {
            let written = page::write("demo", files.clone());
            assert_eq!(page::read(&written, true, &at).ok().as_ref(), Some(&files));
            let project = offer::sort("demo", files, "http://here/made");
            let _ = offer::all("demo", &project, "http://here/made");
        }
    }
}

fn seeds_of_pages() -> Vec<Vec<u8>> {
    seeds(&[
        "<!DOCTYPE html><a HREF=\"../../files/demo-1.0%2Blocal-py3-none-any.whl#sha256=ab\" data-requires-python=\"&gt;=3.8\" \
         data-core-metadata=\"sha256=cd\">x</A><!-- --><a href='https://other.example/demo-2.tar.gz?x=1' data-yanked>y</a>",
        r#"{"meta": {"api-version": "1.4"}, "files": [{"filename": "a-1-py3-none-any.whl", "url": "a.whl",
            "hashes": {"sha256": "ab"}, "requires-python": null, "core-metadata": {"sha256": "cd"}, "yanked": false, "size": 3}]}"#,
    ])
}

fn read_wheel(bytes: &[u8]) {
    let _ = wheel::metadata(bytes);
    let mut files = wheel::Files::new();
    if wheel::unpack("demo", "1.0", (bytes, true), &mut files).is_ok() {
        assert!(files.keys().all(|path| wheel::check_path(path).is_ok()), "{:?}", files.keys());
    }
}

fn seeds_of_wheels() -> Vec<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let files = [
        ("demo/__init__.py", "x = 1\n"),
        ("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: a>=1\n"),
        ("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ("demo-1.0.dist-info/RECORD", "demo/__init__.py,,\n\"a,b\",sha256=x,1\ndemo-1.0.dist-info/RECORD,,\n"),
    ];
    for (path, content) in files {
        if zip.start_file(path, SimpleFileOptions::default()).is_err() || zip.write_all(content.as_bytes()).is_err() {
            return Vec::new();
        }
    }
    zip.finish().map(|zip| vec![zip.into_inner()]).unwrap_or_default()
}

fn read_sdist(bytes: &[u8]) {
    for name in ["demo-1.0.tar.gz", "demo-1.0.zip"] {
        let _ = sdist::metadata("demo", "1.0", name, bytes);
        let mut files = wheel::Files::new();
        if sdist::unpack("demo", "1.0", (name, bytes), &mut files).is_ok() {
            assert!(files.keys().all(|path| wheel::check_path(path).is_ok()), "{:?}", files.keys());
        }
    }
}

fn seeds_of_sdists() -> Vec<Vec<u8>> {
    let pack = || {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let info = "Metadata-Version: 1.1\nName: Demo\nVersion: 1.0\nSummary: x\n";
        for (path, content) in
            [("PKG-INFO", info), ("demo/__init__.py", "x"), ("demo.egg-info/requires.txt", "[:a]\nb")]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, format!("demo-1.0/{path}"), content.as_bytes())?;
        }
        tar.into_inner()?.finish()
    };
    pack().map(|archive| vec![archive]).unwrap_or_default()
}

/// Input: texts of an archive (metadata, requirements, top level), separated by lines of `---`. Here no checksum refuses a
/// changed text.
fn read_plain(bytes: &[u8]) {
    let text = text(bytes);
    let names =
        ["PKG-INFO", "demo.egg-info/requires.txt", "demo.egg-info/top_level.txt", "setup.py", "demo/__init__.py"];
    let parts = text.split("---\n").map(|part| part.as_bytes().to_vec());
    let content = names.iter().map(|name| (*name).to_owned()).zip(parts).collect();
    let _ = sdist::plain("demo", "1.0", &content);
}

fn seeds_of_plain() -> Vec<Vec<u8>> {
    seeds(&[
        "Name: demo\nVersion: 1.0\nMetadata-Version: 2.2\nRequires-Dist: a; extra == 'x'\n---\nsix>=1\n\n[:python_version < '3']\nold\n[fast]\nquick\n---\ndemo\n---\n\
         setup(install_requires=['six'])\n---\n",
    ])
}

fn read_lock(bytes: &[u8]) {
    if let Ok(Some(request)) = Request::of(&["demo".to_owned()], None, None)
        && let Ok(pinned) = lock::read(&text(bytes), &request)
    {
        assert!(pinned.iter().all(|pinned| !pinned.sha256.is_empty()));
    }
}

fn seeds_of_locks() -> Vec<Vec<u8>> {
    seeds(&[
        "lock-version = \"1.0\"\n[[packages]]\nname = \"demo\"\nversion = \"1.0\"\nmarker = \"os_name == 'posix'\"\n\
         wheels = [{ url = \"https://a/demo-1.0-py3-none-any.whl\", hashes = { sha256 = \"AB\" } }]\n",
    ])
}
