//! Notices as messages of every kind, in both languages, and what is refused when a channel is set.

use super::*;
use crate::clock::from_micros;
use crate::notice::{CauseKind, HeldBack, Notice, NoticeAlert, NoticeCause, NoticeKind, NoticeRun, NoticeValue};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use cronbox_runtime::outbound::OutboundMessage;
use serde_json::{Value, json};

/// 2026-11-27T09:00:00Z, in milliseconds.
const AT: i64 = 1_795_770_000_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

fn failed() -> Notice {
    Notice {
        kind: NoticeKind::Firing,
        at: AT,
        alert: Some(NoticeAlert { id: "price-failed".into(), text: "failed 3".into(), since: AT - 7_380_000 }),
        run: Some(NoticeRun {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            status: "failed".into(),
            attempt: 2,
            fire_time: Some(AT - 60_000),
            timezone: Some("Asia/Shanghai".into()),
            error_name: Some("ValueError".into()),
            error_message: Some("no <price> in\nthe answer of `a` & \"b\" *c* _d_".into()),
            place: Some("price.py:12".into()),
            line: Some("    return float(row[\"价格\"])".into()),
            duration_ms: Some(61_200),
        }),
        script: Some("price".into()),
        schedule: Some("daily".into()),
        value: None,
        held_back: Vec::new(),
        cause: None,
        is_over: false,
    }
}

fn crossed() -> Notice {
    let value = NoticeValue { path: "/price".into(), before: Some(json!(100)), now: Some(json!(130.5)) };
    let alert = NoticeAlert { id: "a".into(), text: "/price changed 5%".into(), since: AT };
    let run = failed().run.map(|run| NoticeRun {
        status: "succeeded".into(),
        error_name: None,
        error_message: None,
        place: None,
        line: None,
        ..run
    });
    Notice { alert: Some(alert), value: Some(value), run, ..failed() }
}

fn others() -> Vec<(&'static str, Notice)> {
    let held = |script: &str, count| HeldBack { script: script.into(), count };
    let none = Notice { alert: None, run: None, script: None, schedule: None, ..failed() };
    let summary = vec![held("price", 3), held("report", 12), held("", 1)];
    let node = NoticeCause::of_node(CauseKind::NodeLost, "01995d3e-0000-7000-8000-00000000000a", Some("worker-2"));
    let of_cause = |kind, is_over| Notice {
        kind: NoticeKind::Summary,
        held_back: vec![held("price", 1), held("report", 2)],
        cause: Some(NoticeCause::new(kind)),
        is_over,
        ..none.clone()
    };
    let lost = Notice { cause: Some(node.clone()), ..of_cause(CauseKind::NodeLost, false) };
    vec![
        ("failed", failed()),
        ("value", crossed()),
        ("still", Notice { kind: NoticeKind::Repeated, ..failed() }),
        ("over", Notice { kind: NoticeKind::Ok, ..failed() }),
        ("stale", Notice { run: None, schedule: None, ..failed() }),
        ("summary", Notice { kind: NoticeKind::Summary, held_back: summary, ..none.clone() }),
        ("caused", Notice { cause: Some(node), ..failed() }),
        ("node lost", lost),
        ("node stopped", of_cause(CauseKind::NodeStopped, false)),
        ("blobs away", of_cause(CauseKind::BlobsAway, true)),
        ("not fired", of_cause(CauseKind::NotFired, false)),
        ("test", Notice { kind: NoticeKind::Test, ..none }),
    ]
}

fn letter(notice: &Notice) -> Letter<'_> {
    Letter {
        id: "01995d3e-0000-7000-8000-000000000001",
        notice,
        public_url: Some("https://cronbox.example.com"),
        quiet_until: None,
        now: from_micros((AT + 1_500) * 1_000),
    }
}

fn spec(fields: Value) -> ChannelSpec {
    serde_json::from_value(fields).expect("a channel")
}

fn target(fields: Value) -> Target {
    Target::parse(&spec(fields)).expect("a target")
}

/// A message as text.
fn shown(message: &Message) -> String {
    match &message.content {
        OutboundMessage::Http(http) => {
            let headers: Vec<String> = http.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            let body = serde_json::from_str::<Value>(&http.body)
                .map_or_else(|_| http.body.clone(), |body| serde_json::to_string_pretty(&body).expect("JSON"));
            let scheme = if http.tls { "https" } else { "http" };
            let (method, target) = (&http.method, &http.target);
            format!("{method} {scheme}://{}:{}{target}\n{}\n{body}\n", message.host, message.port, headers.concat())
        }
        OutboundMessage::Mail(mail) => {
            let head = format!("{}:{} {:?} {:?}", message.host, message.port, mail.tls, mail.login);
            format!("{head}\nMAIL {} RCPT {:?}\n\n{}", mail.from, mail.to, mail.text.replace("\r\n", "\n"))
        }
    }
}

fn channels() -> Vec<Value> {
    vec![
        json!({"type": "webhook", "url": "https://hooks.example.com/a?b=c", "secrets": [SECRET, SECRET]}),
        json!({"type": "email", "to": ["Ops <ops@example.com>"], "from": "cronbox@example.com",
            "smtp": {"host": "mail.example.com", "username": "u", "password": "p"}}),
        json!({"type": "slack", "url": "https://hooks.slack.com/services/T/B/x"}),
        json!({"type": "discord", "url": "https://discord.com/api/webhooks/1/x"}),
        json!({"type": "teams", "url": "https://prod.westeurope.logic.azure.com/workflows/1?sig=x"}),
        json!({"type": "telegram", "token": "123:AB-c", "chat": "-100200"}),
        json!({"type": "ntfy", "topic": "ops", "token": "tk_x"}),
        json!({"type": "feishu", "url": "https://open.feishu.cn/open-apis/bot/v2/hook/x", "secret": "s"}),
        json!({"type": "dingtalk", "url": "https://oapi.dingtalk.com/robot/send?access_token=x", "secret": "SECx"}),
        json!({"type": "wecom", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x"}),
        json!({"type": "template", "url": "https://pager.example.com/{{run.id}}?script={{run.script}}",
            "method": "PUT", "headers": {"Authorization": "Bearer x", "X-Error": "{{run.error.message}}"},
            "body": {"summary": "{{run.script}}: {{run.error.message}}", "attempt": "{{run.attempt}}", "all": [true, "{{value}}"]}}),
    ]
}

#[test]
fn words_say_what_happened_in_both_languages() {
    let mut all = String::new();
    for (name, notice) in others() {
        for language in [Language::English, Language::Chinese] {
            let quiet_until = (name == "failed").then(|| from_micros((AT + 3_600_000) * 1_000));
            let words = Words::of(&Letter { quiet_until, ..letter(&notice) }, language);
            all.push_str(&format!("== {name} {language:?}: {}\n{}\n\n", words.title, words.lines().join("\n")));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn each_service_gets_the_body_that_it_documents() {
    let notice = failed();
    let mut all = String::new();
    for mut fields in channels() {
        for language in ["en", "zh"] {
            fields["language"] = language.into();
            let kind = fields["type"].as_str().expect("a type").to_owned();
            all.push_str(&format!(
                "== {kind} {language}\n{}\n",
                shown(&target(fields.clone()).message(&letter(&notice)))
            ));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn messages_keep_to_the_limits_of_their_services() {
    let long = "长\"<&*`\\".repeat(5_000);
    let mut notice = crossed();
    notice.script = Some("s".repeat(100));
    notice.alert = Some(NoticeAlert { id: "a".into(), text: long.clone(), since: AT });
    notice.value = Some(NoticeValue { path: "/x".into(), before: Some(json!(long)), now: Some(json!(long)) });
    if let Some(run) = &mut notice.run {
        (run.error_name, run.error_message, run.line) = (Some(long.clone()), Some(long.clone()), Some(long.clone()));
    }
    let held_back = (0..5_000).map(|n| HeldBack { script: format!("script-{n}-{}", "x".repeat(80)), count: 2 });
    let flood = Notice { kind: NoticeKind::Summary, held_back: held_back.collect(), ..failed() };
    let tags = regex::Regex::new("<[^>]*>").expect("a pattern");
    for notice in [notice, flood] {
        for fields in channels() {
            let kind = fields["type"].as_str().expect("a type").to_owned();
            let message = target(fields).message(&letter(&notice));
            let OutboundMessage::Http(http) = &message.content else { continue };
            let body: Value = serde_json::from_str(&http.body).expect("JSON");
            let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
            match kind.as_str() {
                "slack" => {
                    assert!(text("/blocks/0/text/text").chars().count() <= 3_000);
                    assert!(text("/blocks/0/text/text").contains("Show the run"));
                }
                "discord" => {
                    assert!(text("/embeds/0/title").encode_utf16().count() <= 256);
                    assert!(text("/embeds/0/description").encode_utf16().count() <= 4_096);
                }
                "teams" => assert!(http.body.len() <= 28 << 10, "{}", http.body.len()),
                "telegram" => {
                    let plain = text("/text").replace("&lt;", "<").replace("&amp;", "&").replace("&quot;", "\"");
                    let shown = tags.replace_all(&plain, "").into_owned();
                    assert!(shown.encode_utf16().count() <= 4_096 && text("/text").contains("</a>"));
                }
                "ntfy" => assert!(text("/message").len() <= 4_096),
                "feishu" | "dingtalk" => assert!(http.body.len() <= 20_000, "{kind}: {}", http.body.len()),
                "wecom" => assert!(text("/markdown/content").len() <= 4_096),
                _ => {}
            }
        }
    }
}

#[test]
fn a_webhook_is_signed_as_the_specification_says() {
    // Its own example, with its secret padded to 24 bytes as it is there.
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let notice = failed();
    let message =
        target(json!({"type": "webhook", "url": "https://a.example", "secret": key})).message(&letter(&notice));
    let OutboundMessage::Http(http) = message.content else { panic!("HTTP") };
    let header = |name: &str| http.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let (id, time) = (header("webhook-id").expect("an id"), header("webhook-timestamp").expect("a time"));
    let bytes = BASE64_STANDARD.decode(key.trim_start_matches("whsec_")).expect("base64");
    let signed = sign::hmac_sha256(&bytes, format!("{id}.{time}.{}", http.body).as_bytes());
    assert_eq!(header("webhook-signature"), Some(format!("v1,{signed}")));
    assert_eq!(time, "1795770001");
    assert_eq!(
        sign::hmac_sha256(&bytes, br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#),
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    for (fields, field, why) in [
        (json!({"type": "slak", "url": "https://a.example"}), "type", "did you mean \"slack\"?"),
        (json!({"type": "pager"}), "type", "there are webhook, email"),
        (json!({"type": "slack"}), "url", "needs url"),
        (json!({"type": "slack", "url": "ftp://a.example/x"}), "url", "begins with https://"),
        (json!({"type": "slack", "url": "https://u:p@a.example/x"}), "url", "use a header"),
        (json!({"type": "slack", "url": "https://a.example/x#y"}), "url", "never sent"),
        (json!({"type": "slack", "url": "https://a.example", "token": "x"}), "token", "has no token"),
        (json!({"type": "slack", "url": "https://a.example", "language": "de"}), "language", "en or zh"),
        (json!({"type": "webhook", "url": "https://a.example"}), "secret", "is signed"),
        (json!({"type": "webhook", "url": "https://a.example", "secret": "hunter2"}), "secret", "whsec_"),
        (json!({"type": "webhook", "url": "https://a.example", "secret": "whsec_YQ=="}), "secret", "24 to 64"),
        (json!({"type": "telegram", "token": "1/../2", "chat": "1"}), "token", "token of a bot"),
        (json!({"type": "ntfy", "topic": "a/b"}), "topic", "1 to 64"),
        (json!({"type": "email", "to": ["ops"], "smtp": {"host": "a.example"}}), "to", "not a mail address"),
        (json!({"type": "email", "to": ["o@a.example"], "smtp": {"host": "a.example"}}), "from", "a sender"),
        (
            json!({"type": "email", "to": ["o@a.example"], "smtp": {"host": "a.example", "username": "u@a.example"}}),
            "smtp.password",
            "a username and a password",
        ),
        (
            json!({"type": "email", "to": ["o@a.example"],
                "smtp": {"host": "a.example", "username": "u@a.example", "password": "p", "tls": "none"}}),
            "smtp.tls",
            "without TLS",
        ),
        (
            json!({"type": "email", "to": ["o@a.example"], "from": "x@a.example\r\nBcc: y@b.example", "smtp": {"host": "a.example"}}),
            "from",
            "not a mail address",
        ),
        (json!({"type": "template", "url": "https://{{script}}.example"}), "url", "no placeholders"),
        (
            json!({"type": "template", "url": "https://a.example", "body": "a\nb {{run.scritp}}"}),
            "body",
            "line 2, column 3: there is no field \"run.scritp\": did you mean \"run.script\"?",
        ),
        (
            json!({"type": "template", "url": "https://a.example", "body": {"a": [{"b": "x {{ value"}]}}),
            "body.a.0.b",
            "line 1, column 3: the placeholder that begins here is not closed",
        ),
        (
            json!({"type": "template", "url": "https://a.example", "headers": {"Content-Type": "application/json"}, "body": "{\"a\": {{value}}"}),
            "body",
            "not JSON: line 1, column",
        ),
        (json!({"type": "template", "url": "https://a.example", "headers": {"Host": "b"}}), "headers.Host", "set by"),
        (json!({"type": "template", "url": "https://a.example", "method": "TRACE"}), "method", "one of POST"),
        (json!({"type": "template", "url": "https://a.example", "method": "GET", "body": "x"}), "body", "no body"),
    ] {
        let error = Target::parse(&spec(fields.clone())).expect_err(&fields.to_string());
        assert!(error.field == field && error.why.contains(why), "{fields}: {error}");
    }
    for (name, fine) in [("ops", true), ("on-call_2", true), ("", false), ("Ops", false), ("a b", false), ("值", false)]
    {
        assert_eq!(check_channel_name(name).is_ok(), fine, "{name}");
    }
}

#[test]
fn values_are_escaped_for_where_they_are_put() {
    let mut notice = crossed();
    notice.script = Some("a/b?c=\"d\"\r\n&<e>".into());
    let of = |body: &str, media_type: &str| {
        let headers = json!({"Content-Type": media_type, "X-Script": "{{script}}"});
        let fields =
            json!({"type": "template", "url": "https://a.example/{{script}}", "headers": headers, "body": body});
        let OutboundMessage::Http(http) = target(fields).message(&letter(&notice)).content else { panic!("HTTP") };
        http
    };
    let http = of("{\"s\": \"<{{script}}>\", \"v\": {{value}}, \"n\": {{run.error.name}}}", "application/json");
    assert_eq!(http.target, "/a%2Fb%3Fc%3D%22d%22%0D%0A%26%3Ce%3E");
    assert_eq!(http.headers[1], ("X-Script".to_owned(), "a/b?c=\"d\"  &<e>".to_owned()));
    let body: Value = serde_json::from_str(&http.body).expect("JSON");
    assert_eq!(body, json!({"s": "<a/b?c=\"d\"\r\n&<e>>", "v": 130.5, "n": null}));
    let form = of("s={{script}}&v={{value}}", "application/x-www-form-urlencoded").body;
    assert_eq!(form, "s=a%2Fb%3Fc%3D%22d%22%0D%0A%26%3Ce%3E&v=130.5");
    assert_eq!(of("<p>{{script}}</p>", "text/html").body, "<p>a/b?c=&quot;d&quot;\r\n&amp;&lt;e&gt;</p>");
    assert_eq!(of("{{ value }} {", "text/plain").body, "130.5 {");
}

#[test]
fn nothing_secret_is_in_what_can_be_shown() {
    for fields in channels() {
        let view = serde_json::to_string(&target(fields.clone()).view()).expect("JSON");
        for secret in [
            "whsec_",
            "services/T",
            "webhooks/1",
            "sig=",
            "123:AB",
            "tk_",
            "hook/x",
            "access_token",
            "SECx",
            "key=x",
            "Bearer",
        ] {
            assert!(!view.contains(secret), "{fields}: {view}");
        }
        assert!(!view.contains("\"p\"") && !format!("{:?}", target(fields)).contains("whsec"));
    }
}
