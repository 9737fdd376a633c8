//! Which versions are taken, and what is said about those that are not.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;

const NATIVE: &str = "cp314-cp314-manylinux_2_17_x86_64";

fn native(name: &'static str, version: &'static str) -> Wheel {
    Wheel { tag: Some(NATIVE), ..Wheel::new(name, version, "") }
        .with(Box::leak(format!("{name}/_speed.cpython-314-x86_64-linux-gnu.so").into_boxed_str()), b"\x7fELF")
}

/// B1: only what a sandbox can take is seen while versions are chosen, so that older ones are found; and it is told.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_versions_that_a_sandbox_can_take_are_taken_and_the_others_told() {
    let folder = Folder::new();
    let mut index = Listed::default();
    index.add(&Wheel::new("top", "2.0", "").requires("middle>=2"), None, None);
    index.add(&Wheel::new("top", "1.0", "WORD = 'top 1'\n").requires("middle"), None, None);
    index.add(&Wheel::new("middle", "2.0", "").requires("core>=2"), None, None);
    index.add(&Wheel::new("middle", "1.5", "WORD = 'middle 1.5'\n"), None, None);
    index.add(&native("core", "2.0"), None, None);
    index.add(&native("direct", "3.0"), None, None);
    index.add(&Wheel::new("direct", "2.0", ""), None, None);
    index.add(&Wheel::new("direct", "1.0", ""), None, None);
    let server = serve(&folder, &index.serve().await);
    let source = asking(&["top", "direct"], "import top, middle\ndef run(): return [top.WORD, middle.WORD]");
    let (status, kept) = put(&server, "backtracks", &source).await;
    assert_eq!(status, 201, "{kept}");
    let locked = json!([
        {"name": "direct", "version": "2.0"}, {"name": "middle", "version": "1.5"}, {"name": "top", "version": "1.0"}
    ]);
    assert_eq!(kept["packages"], locked);
    let told: Vec<&str> =
        kept["warnings"].as_array().expect("a list").iter().filter_map(|warning| warning["message"].as_str()).collect();
    for sentence in [
        "direct 2.0 was taken: 3.0 is native code",
        "middle 1.5 was taken: 2.0 needs core, which is native code",
        "top 1.0 was taken: 2.0 needs middle, which needs core, which is native code",
    ] {
        assert!(told.contains(&sentence), "{sentence}: {told:?}");
    }
    assert_eq!(server.run("backtracks", &json!({})).await["result"], json!(["top 1", "middle 1.5"]));
    // What the script itself rules out is not told.
    let (_, kept) = put(&server, "bounded", &asking(&["direct<3"], "import direct")).await;
    assert_eq!(kept["warnings"], json!([]), "{kept}");
}

/// B3: a line whose marker does not hold is no line; nor is what other packages need elsewhere.
#[test]
fn a_marker_that_does_not_hold_keeps_the_line_out() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    native("winonly", "1.0").write(&wheels);
    Wheel::new("demo", "1.0", "").requires("winonly; sys_platform == 'win32'").write(&wheels);
    for lines in [
        &["winonly==306; sys_platform == 'win32'"][..],
        &[
            "demo",
            "winonly; platform_machine == 'x86_64'",
            "absent; os_name == 'nt'",
            "winonly; python_version < '3.10'",
        ],
    ] {
        let (code, result, why) =
            said(&run(&folder, &asking(lines, "def run(): return 1"), &["--index", text(&wheels)]));
        assert_eq!((code, &*result), (Some(0), "1"), "{why}");
    }
    let (code, _, why) =
        said(&run(&folder, &asking(&["winonly; sys_platform == 'wasi'"], ""), &["--index", text(&wheels)]));
    assert!(code != Some(0) && why.contains("winonly 1.0 has no wheel of pure Python"), "{why}");
}

/// B6: one line for each package that cannot be had, with who needs it and what to use; the good ones are not blamed.
#[test]
fn packages_that_cannot_be_had_are_told_line_by_line() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    for name in ["lxml", "numpy", "psycopg2"] {
        native(name, "6.0").write(&wheels);
    }
    native("pandas", "3.0").requires("numpy>=2").write(&wheels);
    Wheel::new("good", "2.0", "").requires("rpds").write(&wheels);
    Wheel::new("good", "1.0", "").write(&wheels);
    native("rpds", "1.0").write(&wheels);
    let asked = ["lxml", "pandas", "psycopg2", "good"];
    let (code, _, why) = said(&run(&folder, &asking(&asked, ""), &["--index", text(&wheels)]));
    assert_ne!(code, Some(0));
    let lines: Vec<&str> = why.lines().filter(|line| line.contains("native code")).collect();
    assert_eq!(lines.len(), 4, "{why}");
    for (line, begins, has) in [
        (0, "lxml 6.0 has no wheel of pure Python", "html.parser"),
        (1, "numpy 6.0 (needed by pandas) has no wheel", "statistics"),
        (2, "pandas 3.0 has no wheel of pure Python", "csv"),
        (3, "psycopg2 6.0 has no wheel of pure Python", "pg8000"),
    ] {
        assert!(lines[line].contains(begins) && lines[line].contains(has), "{line}: {why}");
    }
}

fn source_archive(folder: &Path, name: &str, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).expect("appends");
    }
    let bytes = tar.into_inner().expect("ends").finish().expect("ends");
    std::fs::write(folder.join(format!("{name}.tar.gz")), bytes).expect("writes");
}

/// B4: source that is plain Python is taken as it is; what would have to be built is refused with a sentence.
#[test]
fn plain_source_is_taken_and_other_source_refused_with_a_sentence() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    let info = |name: &str| format!("Metadata-Version: 1.1\nName: {name}\nVersion: 1.0\n");
    let setup = "from setuptools import setup\nsetup(name='x', packages=['x'])\nopen('/tmp/ran', 'w')\n";
    source_archive(
        &wheels,
        "plain-1.0",
        &[
            ("PKG-INFO", &info("plain")),
            ("setup.py", setup),
            ("plain/__init__.py", "import other\nWORD = 'plain ' + other.WORD\n"),
            ("plain/words.txt", "words"),
            ("plain.egg-info/requires.txt", "other\n"),
            ("plain.egg-info/top_level.txt", "plain\n"),
            ("tests/__init__.py", ""),
        ],
    );
    Wheel::new("other", "1.0", "WORD = 'other'\n").write(&wheels);
    source_archive(
        &wheels,
        "compiled-1.0",
        &[("PKG-INFO", &info("compiled")), ("compiled/__init__.py", ""), ("compiled/x.c", "")],
    );
    source_archive(&wheels, "old-1.0", &[("PKG-INFO", &info("old")), ("old/__init__.py", "print 'x'\n")]);
    let source = asking(
        &["plain"],
        "import plain, importlib.metadata, importlib.resources, os\ndef run():\n    text = \
         importlib.resources.files('plain').joinpath('words.txt').read_text()\n    return [plain.WORD, text, \
         importlib.metadata.version('plain'), os.path.exists('/packages/tests')]",
    );
    let (code, result, why) = said(&run(&folder, &source, &["--index", text(&wheels)]));
    assert_eq!((code, &*result), (Some(0), "[\"plain other\",\"words\",\"1.0\",false]"), "{why}");
    let (code, _, why) = said(&run(&folder, &asking(&["compiled"], ""), &["--index", text(&wheels)]));
    assert!(
        code != Some(0) && why.contains("compiled 1.0 is published as source only") && why.contains("x.c"),
        "{why}"
    );
    // It is tried before it is kept.
    let (code, _, why) = said(&run(&folder, &asking(&["old"], ""), &["--index", text(&wheels)]));
    assert!(
        code != Some(0) && why.contains("old 1.0 was taken without") && why.contains("cannot be imported"),
        "{why}"
    );
}

/// B7: what is done about packages is told while it is done.
#[test]
fn progress_is_told_on_standard_error() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    Wheel::new("demo", "1.0", "").write(&wheels);
    let (code, _, told) = said(&run(&folder, &asking(&["demo"], "x = 1"), &["--index", text(&wheels)]));
    assert_eq!(code, Some(0), "{told}");
    for step in ["resolving packages", "fetching packages 0 of 1", "compiling packages"] {
        assert!(told.contains(step), "{told}");
    }
}

/// B7: an upload tells a client that asks for it how far its packages are, and ends with the answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_tells_how_far_it_is() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    Wheel::new("demo", "1.0", "").write(&wheels);
    let server = serve(&folder, text(&wheels));
    let upload = async |source: String| {
        let request =
            server.request(Method::PUT, "/v1/scripts/told").header("accept", "text/event-stream").body(source);
        let response = request.send().await.expect("answers");
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().expect("a value"))
        );
        String::from_utf8(response.bytes().await.expect("a body").to_vec()).expect("UTF-8")
    };
    let told = upload(asking(&["demo"], "import demo")).await;
    let steps =
        ["event: progress", "resolving", "packages: fetched 1 of 1", "compiling", "event: answer", "\"status\":201"];
    let places: Vec<usize> =
        steps.iter().map(|step| told.find(step).unwrap_or_else(|| panic!("{step}: {told}"))).collect();
    assert!(places.is_sorted(), "{told}");
    let told = upload(asking(&["absent"], "")).await;
    assert!(told.contains("\"status\":422") && told.contains("packages_unsatisfiable"), "{told}");
}

/// Packages of very many modules are kept with the code of as many as there is room for.
#[test]
fn a_set_of_very_many_modules_is_kept() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    let mut wheel = Wheel::new("many", "1.0", "");
    for n in 0..9_000 {
        wheel = wheel.with(Box::leak(format!("many/m{n}.py").into_boxed_str()), b"x = 1\n");
    }
    wheel.write(&wheels);
    let source = asking(&["many"], "from many import m0, m8999\ndef run(): return m0.x + m8999.x");
    let (code, result, why) = said(&run(&folder, &source, &["--index", text(&wheels)]));
    assert_eq!((code, &*result), (Some(0), "2"), "{why}");
}
