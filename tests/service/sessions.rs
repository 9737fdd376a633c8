//! Sessions under a clock that the test moves.

use super::{Rig, error, rig, why};
use chrono::TimeDelta;
use cronbox::service::{ErrorKind, TokenRequest};
use std::time::Duration;

fn asked(expires_in: Option<Duration>) -> TokenRequest {
    TokenRequest { name: "page".into(), scopes: vec!["read".into()], expires_in, ..TokenRequest::default() }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_in_time() {
    let Rig { service, _folder } = rig().await;
    let start = service.clock.now();
    let (token, value) = service.create_token(asked(None)).await.expect("makes");
    let usual = service.log_in(&value, None).await.expect("logs in");
    assert_eq!(usual.session.expires_at, start + TimeDelta::hours(12));
    let short = service.log_in(&value, Some(HOUR)).await.expect("logs in");
    let (_, found) = service.session_by_value(&short.value).await.expect("goes on");
    assert_eq!((found.id, found.expires_at), (token.id, Some(start + TimeDelta::hours(1))));
    service.clock.set(start + TimeDelta::hours(1) - TimeDelta::microseconds(1));
    assert!(service.session_by_value(&short.value).await.is_ok());
    service.clock.set(start + TimeDelta::hours(1));
    let ended = error(ErrorKind::Unauthorized, "unauthorized", None);
    assert_eq!(why(service.session_by_value(&short.value).await), ended);
    assert!(service.session_by_value(&usual.value).await.is_ok());
    // The cleaner forgets the one that has ended, and only that.
    assert_eq!(service.store.forget_sessions(service.clock.now()).await.expect("forgets"), 1);
    assert!(service.store.session(&short.session.hash).await.expect("reads").is_none());
    assert!(service.store.session(&usual.session.hash).await.expect("reads").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_no_longer_than_its_token() {
    let Rig { service, _folder } = rig().await;
    let start = service.clock.now();
    let (_, value) = service.create_token(asked(Some(2 * HOUR))).await.expect("makes");
    let session = service.log_in(&value, None).await.expect("logs in").session;
    assert_eq!(session.expires_at, start + TimeDelta::hours(2));
    let wrong = |time| service.log_in(&value, Some(time));
    let field = error(ErrorKind::Invalid, "invalid_value", Some("expires_in"));
    assert_eq!(why(wrong(Duration::ZERO).await), field);
    assert_eq!(why(wrong(30 * 24 * HOUR + Duration::from_secs(1)).await), field);
    assert!(wrong(30 * 24 * HOUR).await.is_ok());
    service.clock.set(start + TimeDelta::hours(2));
    let unknown = error(ErrorKind::Unauthorized, "unauthorized", Some("token"));
    assert_eq!(why(service.log_in(&value, None).await), unknown, "the token has expired");
    assert_eq!(why(service.log_in("cbx_unknown", None).await), unknown);
    assert_eq!(why(service.log_in("", None).await), unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_go_with_their_token_and_are_bounded() {
    let Rig { service, _folder } = rig().await;
    let (token, value) = service.create_token(asked(None)).await.expect("makes");
    let first = service.log_in(&value, None).await.expect("logs in");
    let mut last = first.clone();
    for _ in 0..cronbox::store::sessions::MOST_SESSIONS {
        service.clock.set(service.clock.now() + TimeDelta::milliseconds(1));
        last = service.log_in(&value, None).await.expect("logs in");
    }
    assert!(service.session_by_value(&first.value).await.is_err(), "the oldest gave way");
    assert!(service.session_by_value(&last.value).await.is_ok());
    service.log_out(&last.value).await.expect("logs out");
    assert!(service.session_by_value(&last.value).await.is_err());
    let other = service.log_in(&value, None).await.expect("logs in");
    service.remove_token(&token.id).await.expect("removes");
    let ended = error(ErrorKind::Unauthorized, "unauthorized", None);
    assert_eq!(why(service.session_by_value(&other.value).await), ended);
    assert!(service.store.session(&other.session.hash).await.expect("reads").is_none());
}
