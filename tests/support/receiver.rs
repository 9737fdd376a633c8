//! A receiver of webhooks on loopback that can go away and come back.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A message that has arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// When it came.
    pub at: DateTime<Utc>,
    /// What it says.
    pub body: Value,
}

type All = Arc<Mutex<Vec<Received>>>;

/// The receiver.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    all: All,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

async fn take(State(all): State<All>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let at = Utc::now();
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    all.lock().expect("unpoisoned").push(Received { id, at, body });
    StatusCode::NO_CONTENT
}

impl Receiver {
    /// One that receives.
    pub async fn start() -> Self {
        let address = ([127, 0, 0, 1], 0).into();
        let mut receiver = Receiver { address, all: All::default(), stop: CancellationToken::new(), serving: None };
        receiver.up().await;
        receiver
    }

    /// Where it is, for a channel that reaches it as `localhost`.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/hook", self.address.port())
    }

    /// Comes back, where it was.
    pub async fn up(&mut self) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(self.address).expect("binds");
        let listener: TcpListener = socket.listen(1024).expect("listens");
        self.address = listener.local_addr().expect("an address");
        self.stop = CancellationToken::new();
        let router = Router::new().route("/hook", post(take)).with_state(self.all.clone());
        let stop = self.stop.clone();
        self.serving = Some(tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
            served.await.expect("serves");
        }));
    }

    /// Goes away. What has come is answered first.
    pub async fn down(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.expect("ends");
        }
    }

    /// What has arrived so far.
    pub fn all(&self) -> MutexGuard<'_, Vec<Received>> {
        self.all.lock().expect("unpoisoned")
    }
}
