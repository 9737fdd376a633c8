//! Backups that are not as they were written, and places that are not empty.

use super::{Setting, cronbox, fails, files, fill, key, works};
use crate::support::postgres::cluster;
use crate::support::server::{Folder, Server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A backup in `saved` of a server that has ended.
async fn saved() -> Setting {
    let setting = Setting::new(false).await;
    let mut server = setting.start();
    fill(&server).await;
    setting.backup("saved", &[]);
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(60)).success());
    setting
}

/// Fails unless nothing is below a folder but what a data directory begins with.
fn assert_nothing(folder: &Path) {
    let left: Vec<_> = files(folder).into_keys().filter(|name| name != "lock").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_damaged_part_is_refused() {
    let setting = saved().await;
    let folder = &setting.folder.0;
    let place = folder.join("saved");
    let whole = files(&place);
    let tar = folder.join("all.tar");
    setting.backup("all.tar", &[]);
    // Each part of the backup, and some blobs.
    let (own, blobs): (Vec<&String>, Vec<_>) = whole.keys().partition(|name| name.starts_with("backups/"));
    let parts: Vec<&String> = own.into_iter().chain(blobs.into_iter().step_by(4)).collect();
    assert!(parts.iter().any(|name| name.ends_with("rows-00001.gz")) && parts.len() > 6, "{parts:?}");
    for name in parts {
        let content = &whole[name];
        let flipped = |at: usize| {
            let mut flipped = content.clone();
            flipped[at] ^= 0x20;
            flipped
        };
        let cut = content[..content.len() - 1].to_vec();
        let damages =
            [Some(flipped(0)), Some(flipped(content.len() / 2)), Some(flipped(content.len() - 1)), Some(cut), None];
        for damage in damages {
            match damage {
                Some(damage) => std::fs::write(place.join(name), damage).expect("written"),
                None => std::fs::remove_file(place.join(name)).expect("removed"),
            }
            let is_gone = !place.join(name).exists() && name.ends_with("manifest.json");
            for (words, data) in [
                (vec!["backup", "--verify", "saved"], None),
                (vec!["restore", "saved", "--data-dir", "new"], Some("new")),
            ] {
                let why = fails(folder, &words, if is_gone { 2 } else { 1 });
                let said = if is_gone { "there is no whole backup" } else { name.rsplit('/').next().expect("a name") };
                let manifest = name.ends_with("manifest.json") && why.contains("its manifest");
                assert!(why.contains(said) || manifest, "{name}: {why}");
                if let Some(data) = data {
                    assert_nothing(&folder.join(data));
                }
            }
        }
        std::fs::write(place.join(name), content).expect("written");
    }
    works(folder, &["backup", "--verify", "saved"], &[]);
    // The same of an archive: bytes all over it. What no reader looks at, such as the time of an entry, need not be refused.
    let content = std::fs::read(&tar).expect("reads");
    let mut refused = 0;
    for at in (0..content.len()).step_by(content.len() / 40) {
        let mut flipped = content.clone();
        flipped[at] ^= 0x20;
        std::fs::write(folder.join("flipped.tar"), flipped).expect("written");
        let (code, _, why) = cronbox(folder, &["restore", "flipped.tar", "--data-dir", "flipped"], &[]);
        match code {
            Some(0) => std::fs::remove_dir_all(folder.join("flipped")).expect("removed"),
            Some(1 | 2) => {
                refused += 1;
                assert_nothing(&folder.join("flipped"));
            }
            _ => panic!("byte {at}: {code:?} {why}"),
        }
    }
    assert!(refused > 20, "{refused}");
    std::fs::write(folder.join("cut.tar"), &content[..content.len() / 2]).expect("written");
    fails(folder, &["restore", "cut.tar", "--data-dir", "new"], 2);
    works(folder, &["restore", "all.tar", "--data-dir", "new"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten() {
    let setting = saved().await;
    let folder = &setting.folder.0;
    let before = files(&folder.join("data"));
    let why = fails(folder, &["restore", "saved", "--data-dir", "data"], 2);
    assert!(why.contains("is not empty"), "{why}");
    assert_eq!(files(&folder.join("data")), before);
    // Without its blobs, and only its blobs.
    std::fs::create_dir_all(folder.join("half")).expect("made");
    std::fs::copy(folder.join("data/cronbox.db"), folder.join("half/cronbox.db")).expect("copied");
    assert!(fails(folder, &["restore", "saved", "--data-dir", "half"], 2).contains("the database is not empty"));
    assert_eq!(files(&folder.join("half")).keys().filter(|name| name.starts_with("blobs")).count(), 0);
    setting.folder.write("other/blobs/files/x", "x");
    assert!(
        fails(folder, &["restore", "saved", "--data-dir", "other"], 2).contains("the place of the blobs is not empty")
    );
    // What a server that was killed left beside its database would be read as a part of the new one.
    setting.folder.write("killed/cronbox.db-wal", "x");
    let why = fails(folder, &["restore", "saved", "--data-dir", "killed"], 2);
    assert!(why.contains("cronbox.db-wal"), "{why}");
    assert_eq!(files(&folder.join("killed")).len(), 2, "the log, and the lock of the directory");
    // The place of the server's own blobs is no place for backups.
    for place in ["data", "data/blobs"] {
        let why = fails(folder, &[&["backup", place][..], &setting.words()].concat(), 2);
        assert!(why.contains("keeps its own blobs there"), "{why}");
    }
    let why = fails(folder, &["serve", "--data-dir", "data", "--backup-every", "1h", "--backup-to", "data"], 2);
    assert!(why.contains("keeps its own blobs there"), "{why}");
    assert_eq!(files(&folder.join("data")), before);
    // A server that runs, on nothing yet.
    let server = Server::start(folder, &["--data-dir", "used"]);
    assert!(fails(folder, &["restore", "saved", "--data-dir", "used"], 2).contains("another server is using"));
    drop(server);
    // A database of somebody else's, and one in use.
    let foreign = cluster().database();
    cluster().sql(foreign.rsplit('/').next().expect("a name"), "CREATE TABLE mine (a int)");
    let words = ["restore", "saved", "--data-dir", "x", "--database"];
    assert!(fails(folder, &[&words[..], &[foreign.as_str()]].concat(), 2).contains("tables that are not Cronbox's"));
    let used = cluster().database();
    works(folder, &[&words[..], &[used.as_str()]].concat(), &[]);
    let words = ["restore", "saved", "--data-dir", "y", "--database", &used];
    assert!(fails(folder, &words, 2).contains("has rows"));
    assert_nothing(&folder.join("y"));
    // An archive that is there.
    setting.backup("all.tar", &[]);
    let (code, _, why) = cronbox(folder, &[&["backup", "all.tar"][..], &setting.words()].concat(), &setting.env);
    assert!(code == Some(2) && why.contains("there is a file all.tar"), "{code:?} {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_refused_by_name() {
    let setting = saved().await;
    let folder = &setting.folder.0;
    assert!(fails(folder, &["restore", "nowhere", "--data-dir", "new"], 2).contains("there is no directory nowhere"));
    let none = ["restore", "saved", "--backup", "x", "--data-dir", "new"];
    assert!(fails(folder, &none, 2).contains("there is no whole backup x in saved"));
    // Another key.
    setting.folder.write("wrong.key", &key(8));
    setting.folder.write("right.key", &key(7));
    let wrong = ["restore", "saved", "--data-dir", "new", "--secret-key-file", "wrong.key"];
    assert!(fails(folder, &wrong, 2).contains("which is not in wrong.key"));
    assert!(!folder.join("new").exists());
    // A later schema, and a later format.
    let path = files(&folder.join("saved")).into_keys().find(|name| name.ends_with("manifest.json")).expect("one");
    let path = folder.join("saved").join(path);
    let written = std::fs::read_to_string(&path).expect("text");
    let change = |field: &str, value: Value| {
        let mut sealed: Value = serde_json::from_str(&written).expect("JSON");
        sealed["manifest"][field] = value;
        let text = sealed["manifest"].to_string();
        let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
        std::fs::write(&path, format!("{{\"sha256\":\"{sha256}\",\"manifest\":{text}}}")).expect("written");
    };
    change("schema", json!(1_000_000));
    let newer = fails(folder, &["restore", "saved", "--data-dir", "new"], 2);
    assert!(newer.contains("step 1000000") && newer.contains("newer Cronbox"), "{newer}");
    change("format", json!(99));
    let newer = fails(folder, &["restore", "saved", "--data-dir", "new"], 2);
    assert!(newer.contains("format 99") && newer.contains("newer Cronbox"), "{newer}");
    assert_nothing(&folder.join("new"));
    std::fs::write(&path, &written).expect("written");
    // Without a key it is said which is needed; with the right one nothing is.
    let (_, told) = works(folder, &["restore", "saved", "--data-dir", "new"], &[]);
    assert!(told.contains("give the server this key"), "{told}");
    let right = ["restore", "saved", "--data-dir", "other", "--secret-key-file", "right.key"];
    assert_eq!(works(folder, &right, &[]).1, "");
    // Where no server was, there is nothing to save; and in a later schema nothing that is understood.
    assert!(fails(folder, &["backup", "x", "--data-dir", "nothing"], 5).contains("there is no file"));
    let database = rusqlite::Connection::open(folder.join("other/cronbox.db")).expect("opens");
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (1000000, '', 1, '', 0)";
    database.execute(later, []).expect("inserted");
    drop(database);
    assert!(fails(folder, &["backup", "x", "--data-dir", "other"], 2).contains("newer Cronbox"));
}

/// A blob that the server lost is told of, and the rest is saved all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_lacks_is_told() {
    let setting = saved().await;
    let folder = &setting.folder.0;
    let blobs = folder.join("data/blobs");
    let results: Vec<String> = files(&blobs).into_keys().filter(|name| name.starts_with("values/")).collect();
    std::fs::remove_file(blobs.join(&results[0])).expect("removed");
    std::fs::write(blobs.join(&results[1]), b"{}").expect("written");
    let (code, out, why) = cronbox(folder, &[&["backup", "lacking"][..], &setting.words()].concat(), &setting.env);
    assert!(
        code == Some(1) && why.contains("did not have 2 blobs") && why.contains(results[0].as_str().min(&results[1])),
        "{out}{why}"
    );
    let (code, out, _) = cronbox(folder, &["backup", "--verify", "lacking"], &[]);
    assert!(code == Some(1) && out.contains("is whole"), "{out}");
    let (code, out, _) = cronbox(folder, &["restore", "lacking", "--data-dir", "new"], &[]);
    assert!(code == Some(1) && out.contains("was restored"), "{out}");
    let left = files(&folder.join("new/blobs"));
    assert!(!left.contains_key(&results[0]) && !left.contains_key(&results[1]) && left.len() > 4);
    // Where an earlier backup has them, the next one has them too, also when it is the only one that is kept.
    let again = [&["backup", "saved", "--keep", "1"][..], &setting.words()].concat();
    let (_, told) = works(folder, &again, &setting.env);
    assert!(told.contains("does not have 2 blobs") && told.contains("an earlier backup has them"), "{told}");
    works(folder, &["restore", "saved", "--data-dir", "whole"], &[]);
    let left = files(&folder.join("whole/blobs"));
    assert!(left.contains_key(&results[0]) && left.contains_key(&results[1]));
}

/// Tables of others in the database of a server are left alone: they are in no backup.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_others_are_not_saved() {
    let setting = Setting::new(true).await;
    let server = setting.start();
    server.put("one", "def run():\n    return 1\n").await;
    let name = setting.database.as_deref().and_then(|url| url.rsplit('/').next()).expect("a name");
    cluster().sql(name, "CREATE TABLE mine (a varchar(9), b float); CREATE TABLE more (a bigint PRIMARY KEY)");
    let (said, _) = setting.backup("all.tar", &["--json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let tables = said["backup"]["tables"].as_object().expect("tables");
    assert!(tables.contains_key("runs") && !tables.contains_key("mine") && !tables.contains_key("more"), "{said}");
    let folder = &setting.folder.0;
    works(folder, &["restore", "all.tar", "--data-dir", "new"], &[]);
}

/// A full disk: nothing half made is taken for whole, and nothing is left of a restore.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told() {
    let setting = saved().await;
    let folder = &setting.folder.0;
    let small = Folder::new();
    // A disk of its own that is nearly full, in a namespace of mounts that goes with the command.
    let on_small = |words: &str| {
        let script = format!(
            "mount -t tmpfs -o size=256k none {0} && head -c 150000 /dev/zero > {0}/filler && {1} {words}; code=$?; find {0} -type f; exit $code",
            small.0.display(),
            crate::support::PROGRAM,
        );
        let done =
            Command::new("unshare").args(["-rm", "sh", "-c", &script]).current_dir(folder).output().expect("starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let disk = small.0.display();
    let (code, left, why) = on_small(&format!("backup {disk}/saved --data-dir data"));
    assert!(code == Some(5) && why.contains("full"), "{code:?} {left}{why}");
    assert!(!left.contains("manifest.json") && !left.contains("started"), "{left}");
    let (code, left, why) = on_small(&format!("backup {disk}/all.tar --data-dir data"));
    assert!(code == Some(5) && why.contains("full"), "{code:?} {left}{why}");
    assert!(!left.contains(".tar"), "{left}");
    let (code, left, why) = on_small(&format!("restore saved --data-dir {disk}/new"));
    assert!(code == Some(5) && why.contains("full"), "{code:?} {left}{why}");
    assert!(!left.contains("cronbox.db") && !left.contains("blobs/"), "{left}");
}
