//! The service that Cronbox replaces, in its Cronbox form.

use crate::support::server::{Folder, Server};
use crate::support::tests_folder;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_old_service_in_its_new_form() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--timezone", "Asia/Shanghai"]);
    for file in ["123.py", "no_value.py", "any_value.py"] {
        let source = std::fs::read_to_string(tests_folder().join("services").join(file)).expect("text");
        assert_eq!(server.put(file, &source).await.0, 201, "{file}");
    }
    assert_eq!(server.run("123", &json!({})).await["result"], json!({"value": 2}));
    let run = server.run("123", &json!({"entry": "run_task", "args": {"arg1": 123}})).await;
    assert_eq!((&run["result"], &run["entry"]), (&json!({"value": 246}), &json!("run_task")));
    let failed = server.run("123", &json!({"entry": "run_task", "args": {"arg1": -1}})).await;
    assert_eq!((&failed["status"], &failed["error"]["message"]), (&json!("failed"), &json!("arg1 is -1")));
    let (_, log) = server.get("/v1/runs?script=123").await;
    let log: Vec<_> = log["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|run| (run["status"].clone(), run["result"].clone()))
        .collect();
    let expected = [
        (json!("failed"), json!(null)),
        (json!("succeeded"), json!({"value": 246})),
        (json!("succeeded"), json!({"value": 2})),
    ];
    assert_eq!(log, expected);
    let (_, series) = server.get("/v1/scripts/123/series?path=/value").await;
    let values: Vec<_> =
        series["items"].as_array().expect("items").iter().map(|point| point["value"].clone()).collect();
    assert_eq!(values, [2, 246]);
    let run = server.run("no_value", &json!({})).await;
    assert_eq!(
        (&run["status"], &run["result"], &run["result_kind"]),
        (&json!("succeeded"), &json!(null), &json!("none"))
    );
    let run = server.run("any_value", &json!({})).await;
    assert_eq!((&run["status"], &run["result_kind"]), (&json!("succeeded"), &json!("text")));
    assert!(run["result"].as_str().expect("text").contains("(1+2j)"), "{run}");
}
