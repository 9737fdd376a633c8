//! What a token that is limited to scripts can watch: its own scripts only.

use super::reach::{ask, server, token};
use crate::support::server::Folder;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_about_what_a_token_reaches() {
    let folder = Folder::new();
    let server = server(&folder);
    server.put("theirs", "x = 1").await;
    server.put("mine", "x = 1").await;
    let daily = json!({"script": "theirs", "trigger": "@daily"});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/schedules/daily").json(&daily)).await.0, 201);
    let limited =
        token(&server, "limited", &["read", "write"], json!({"scripts": ["mine"], "labels": ["team=m"]})).await;
    let body = |about: Value| json!({"about": about, "text": "failed", "notify": ["ops"]});
    for (number, (about, status)) in [
        (json!({"script": "mine"}), 201),
        (json!({"label": "team=m"}), 201),
        (json!({"script": "theirs"}), 403),
        (json!({"script": "nothing"}), 403),
        (json!({"schedule": "daily"}), 403),
        (json!({"schedule": "nothing"}), 403),
        (json!({"label": "team=other"}), 403),
        (json!({"everything": true}), 403),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/v1/alerts/a{number}");
        assert_eq!(ask(&server, &limited, "PUT", &path, Some(&body(about.clone()))).await.0, status, "{about}");
        assert!([200, 201].contains(&server.json(server.request(Method::PUT, &path).json(&body(about))).await.0));
    }
    let (_, list) = ask(&server, &limited, "GET", "/v1/alerts", None).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let ids: Vec<&str> =
        list["items"].as_array().expect("items").iter().filter_map(|alert| alert["id"].as_str()).collect();
    assert_eq!(ids, ["a0", "a1"]);
    for path in ["/v1/alerts/a2", "/v1/alerts/a4", "/v1/alerts/a7"] {
        assert_eq!(ask(&server, &limited, "GET", path, None).await.0, 403);
        assert_eq!(ask(&server, &limited, "DELETE", path, None).await.0, 403);
        let mute = json!({"for": "1h"});
        assert_eq!(ask(&server, &limited, "POST", &format!("{path}/mute"), Some(&mute)).await.0, 403);
        assert_eq!(ask(&server, &limited, "PUT", path, Some(&body(json!({"script": "mine"})))).await.0, 403);
    }
    for (about, status) in [("mine", 200), ("theirs", 403)] {
        let asked = json!({"text": "/price > 1", "about": {"script": about}});
        assert_eq!(ask(&server, &limited, "POST", "/v1/conditions/preview", Some(&asked)).await.0, status, "{about}");
    }
    assert_eq!(ask(&server, &limited, "POST", "/v1/scheduler/mute", Some(&json!({"for": "1h"}))).await.0, 403);
}
