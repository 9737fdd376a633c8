//! Charts and sessions as rows.

use super::{DatabaseUrl, Store, TestFile, after, cluster, start};
use cronbox::access::{Scope, Session, Token};
use cronbox::chart::{Chart, ChartLine};
use cronbox::precondition::Precondition;
use cronbox::store::charts::KeptChart;
use cronbox::store::sessions::MOST_SESSIONS;

on_every_engine![charts_are_kept, sessions_go_with_their_token];

fn chart(title: &str) -> Chart {
    let line = ChartLine { script: "price".into(), path: "/a/0".into(), agg: Some("max".into()), label: None };
    Chart {
        id: "Prices".into(),
        key: "prices".into(),
        title: title.into(),
        labels: vec!["a".into(), "größe".into()],
        lines: vec![line],
        since: "30d".into(),
        bucket: None,
        revision: 0,
        created_at: start(),
        updated_at: start(),
        created_by: Some("t".into()),
    }
}

async fn charts_are_kept(store: Store) {
    let none = Precondition::None;
    let kept = store.keep_chart(chart("1"), &Precondition::Absent, after(1)).await.expect("keeps");
    let first = Chart { revision: 1, created_at: after(1), updated_at: after(1), ..chart("1") };
    assert_eq!(kept, KeptChart::Kept(Box::new(first.clone()), true));
    assert_eq!(store.chart("prices").await.expect("reads"), Some(first.clone()));
    let taken = store.keep_chart(chart("2"), &Precondition::Absent, after(2)).await.expect("asks");
    assert_eq!(taken, KeptChart::Other(Some(first.tag())));
    let other = Chart { created_by: None, ..chart("2") };
    let asked = Precondition::Tagged(vec![first.tag()]);
    let kept = store.keep_chart(other, &asked, after(3)).await.expect("keeps");
    let second = Chart { title: "2".into(), revision: 2, updated_at: after(3), ..first };
    assert_eq!(kept, KeptChart::Kept(Box::new(second.clone()), false), "whoever made it stays");
    let late = store.keep_chart(chart("3"), &asked, after(4)).await.expect("asks");
    assert_eq!(late, KeptChart::Other(Some(second.tag())));
    let more = Chart { id: "b".into(), key: "b".into(), ..chart("b") };
    store.keep_chart(more, &none, after(5)).await.expect("keeps");
    let keys = async |after: &str, limit| {
        let charts = store.charts(after, limit).await.expect("lists");
        charts.into_iter().map(|chart| chart.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("", 10).await, ["b", "prices"]);
    assert_eq!((keys("", 1).await, keys("b", 10).await), (vec!["b".to_owned()], vec!["prices".to_owned()]));
    assert_eq!(store.delete_chart("prices", &asked).await.expect("asks"), Err(Some(second.tag())));
    assert_eq!(store.delete_chart("prices", &none).await.expect("deletes"), Ok(()));
    assert_eq!(store.chart("prices").await.expect("reads"), None);
}

fn token(id: &str) -> Token {
    Token {
        id: id.into(),
        name: id.into(),
        scopes: vec![Scope::Read],
        scripts: Some(vec!["a".into()]),
        labels: None,
        created_at: start(),
        expires_at: Some(after(1000)),
        last_used_at: None,
    }
}

async fn sessions_go_with_their_token(store: Store) {
    store.add_token(&token("t"), "hash of t").await.expect("adds");
    store.add_token(&token("u"), "hash of u").await.expect("adds");
    let session = |hash: String, end: i64| Session { hash, expires_at: after(end) };
    assert!(!store.add_session(&session("x".into(), 9), "none", start()).await.expect("asks"));
    for number in 0..=MOST_SESSIONS {
        let new = session(format!("s{number}"), 100);
        assert!(store.add_session(&new, "t", after(number as i64)).await.expect("adds"));
    }
    assert!(store.add_session(&session("u".into(), 50), "u", start()).await.expect("adds"));
    assert_eq!(store.session("s0").await.expect("reads"), None, "the oldest gave way");
    assert_eq!(store.session("s1").await.expect("reads"), Some((session("s1".into(), 100), token("t"))));
    assert_eq!(store.forget_sessions(after(50)).await.expect("forgets"), 1);
    assert_eq!(store.session("u").await.expect("reads"), None);
    assert!(store.remove_session("s1").await.expect("removes") && !store.remove_session("s1").await.expect("asks"));
    assert!(store.remove_token("t").await.expect("removes"));
    assert_eq!(store.session("s2").await.expect("reads"), None);
    assert_eq!(store.forget_sessions(after(1000)).await.expect("forgets"), 0, "nothing is left");
}
