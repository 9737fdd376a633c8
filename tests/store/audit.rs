//! The audit log: an entry is there if its change is, and only then.

use super::{DatabaseUrl, Store, TestFile, after, cluster, start};
use cronbox::access::{Scope, Token};
use cronbox::audit::{Actor, ActorKind, AuditEntry, AuditOutcome, acting_as};
use cronbox::store::audit::AuditFilter;
use std::sync::{Arc, Mutex};

on_every_engine![a_change_and_its_entry_are_one, entries_are_found_and_go];

fn actor(minutes: i64) -> Actor {
    Actor {
        token: Some("t".into()),
        request: Some(format!("r{minutes}")),
        ..Actor::local("create_token", after(minutes))
    }
}

fn token(id: &str) -> Token {
    let (scripts, labels, expires_at, last_used_at) = Default::default();
    let (id, name, scopes, created_at) = (id.into(), "ci".into(), vec![Scope::Run], start());
    Token { id, name, scopes, scripts, labels, created_at, expires_at, last_used_at }
}

async fn all(store: &Store, filter: AuditFilter) -> Vec<AuditEntry> {
    store.audit(filter, 100).await.expect("lists")
}

async fn a_change_and_its_entry_are_one(store: Store) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    store.on_audit(move |entries| sink.lock().expect("not poisoned").extend_from_slice(entries));
    acting_as(actor(1), store.add_token(&token("a"), "hash-a")).await.expect("adds");
    // The same again is refused by the database: it leaves nothing.
    acting_as(actor(2), store.add_token(&token("a"), "hash-a")).await.expect_err("is there");
    // Nobody acts.
    store.add_token(&token("b"), "hash-b").await.expect("adds");
    assert!(acting_as(actor(3), store.remove_token("a")).await.expect("removes"));
    assert!(!acting_as(actor(4), store.remove_token("a")).await.expect("asks"));
    let entries = all(&store, AuditFilter::default()).await;
    let told: Vec<_> = entries.iter().map(|entry| (entry.actor.at, &*entry.object, entry.detail.as_deref())).collect();
    assert_eq!(told, [(after(3), "tokens/a", None), (after(1), "tokens/a", Some("ci: run"))]);
    let mut heard = heard.lock().expect("not poisoned").clone();
    heard.reverse();
    assert_eq!(heard, entries);
}

async fn entries_are_found_and_go(store: Store) {
    acting_as(actor(1), store.note_done("channels/ops", Some("200".into()))).await.expect("notes");
    acting_as(actor(2), store.note_done("scripts/a", None)).await.expect("notes");
    acting_as(actor(3), store.note_done("scripts/a/state", None)).await.expect("notes");
    acting_as(actor(4), store.note_done("scripts/a-b", None)).await.expect("notes");
    let server = Actor { kind: ActorKind::Token, ..Actor::server("put_script", after(5)) };
    store.note_refusal(server, "scripts/\0b", "out_of_reach").await.expect("notes");
    let count = async |filter: AuditFilter| all(&store, filter).await.len();
    let every = AuditFilter::default();
    assert_eq!(count(every.clone()).await, 5);
    assert_eq!(count(AuditFilter { object: Some("scripts/a".into()), ..every.clone() }).await, 2);
    assert_eq!(count(AuditFilter { object: Some("scripts".into()), ..every.clone() }).await, 4);
    assert_eq!(count(AuditFilter { actor: Some(ActorKind::Local), ..every.clone() }).await, 4);
    assert_eq!(count(AuditFilter { token: Some("t".into()), ..every.clone() }).await, 4);
    assert_eq!(count(AuditFilter { action: Some("put_script".into()), ..every.clone() }).await, 1);
    assert_eq!(count(AuditFilter { request: Some("r3".into()), ..every.clone() }).await, 1);
    let between = AuditFilter { since: Some(after(2)), until: Some(after(4)), ..every.clone() };
    assert_eq!(count(between).await, 2);
    let refused = all(&store, AuditFilter { outcome: Some(AuditOutcome::Refused), ..every.clone() }).await;
    assert_eq!((&*refused[0].object, refused[0].detail.as_deref()), ("scripts/b", Some("out_of_reach")));
    assert_eq!(count(AuditFilter { before: Some(refused[0].id.clone()), ..every.clone() }).await, 4);
    assert_eq!(store.forget_audit(after(4)).await.expect("forgets"), 3);
    assert_eq!(count(every).await, 2);
}
