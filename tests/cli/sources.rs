//! What a script source has that is not taken.

use crate::support::server::{Folder, Server};

/// E6: a file with a name of any language is taken; what is not taken is said in the log, in /readyz and by name.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_of_a_script_source_is_said() {
    let folder = Folder::new();
    let jobs = folder.0.join("jobs");
    std::fs::create_dir_all(&jobs).expect("made");
    for file in ["签到.py", "my script.py", "ok.py", "Twice.py", "twice.py"] {
        std::fs::write(jobs.join(file), "def run(): return 1\n").expect("written");
    }
    std::fs::write(jobs.join("bad.py"), "x = 1\ndef run(:\n").expect("written");
    let server = Server::start(&folder.0, &["--ephemeral", "--script-source", jobs.to_str().expect("UTF-8")]);
    server.answers("/v1/scripts/%E7%AD%BE%E5%88%B0", 200).await;
    server.answers("/v1/scripts/ok", 200).await;
    server.put("pushed", "def run(): return 2\n").await;
    std::fs::write(jobs.join("pushed.py"), "def run(): return 3\n").expect("written");
    let look = async || {
        let (_, said, why) = server.cronbox(&["scripts", "--problems"]);
        if said.contains("pushed.py") && said.contains("bad.py") { Ok(said) } else { Err(said + &why) }
    };
    let said = server.until("the file is left out", look).await;
    assert!(said.contains("my script.py") && said.contains("cannot be a script's"), "{said}");
    assert!(said.contains("twice.py") && said.contains("but for case"), "{said}");
    assert!(said.contains("a script that was pushed"), "{said}");
    assert!(said.contains("line 2") && !said.contains("the log says why"), "{said}");
    assert!(!said.contains("签到") && !said.contains("ok.py"), "{said}");
    // What is deleted comes back while its file is there; what is pushed over it does not change with it any more.
    let (code, _, why) = server.cronbox(&["script", "rm", "ok"]);
    assert!(code == Some(0) && why.contains("ok.py: it comes back while that is there"), "{why}");
    server.answers("/v1/scripts/ok", 200).await;
    std::fs::write(folder.0.join("new.py"), "def run(): return 4\n").expect("written");
    let new = folder.0.join("new.py").display().to_string();
    let (code, _, why) = server.cronbox(&["push", &new, "--name", "ok"]);
    assert!(code == Some(0) && why.contains("ok.py: that ends with this upload"), "{why}");
    let (_, _, why) = server.cronbox(&["script", "rm", "pushed"]);
    assert!(!why.contains("comes back"), "{why}");
    let (_, ready) = server.get("/readyz").await;
    assert!(ready["warnings"].to_string().contains("4 files of script sources are left out"), "{ready}");
    assert!(server.log().contains("my script.py") && server.log().contains("left out"), "{}", server.log());
}
