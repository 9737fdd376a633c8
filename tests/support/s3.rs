//! An S3 server of the tests' own: the protocol by s3s, signatures checked, objects in a folder. It can be taken away and
//! brought back at the same address.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KEY: &str = "AKTESTS";
const SECRET: &str = "secret-of-the-tests";

/// The server.
#[derive(Debug)]
pub struct Bucket {
    root: PathBuf,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Bucket {
    /// Starts one with an empty bucket `jobs`.
    pub async fn start(folder: &Path) -> Self {
        let root = folder.join("s3");
        std::fs::create_dir_all(root.join("jobs")).expect("a bucket");
        let mut bucket = Bucket { root, address: ([127, 0, 0, 1], 0).into(), stop: CancellationToken::new() };
        bucket.up().await;
        bucket
    }

    /// Brings it back.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("listens");
        self.address = listener.local_addr().expect("an address");
        self.stop = CancellationToken::new();
        let service = {
            let mut builder = S3ServiceBuilder::new(FileSystem::new(&self.root).expect("a folder"));
            builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
            builder.build()
        };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                let Ok((socket, _)) = accepted else { continue };
                let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = connection => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
        });
    }

    /// Takes it away, with every connection to it.
    pub fn down(&self) {
        self.stop.cancel();
    }

    /// Puts an object as somebody with another client would.
    pub fn copy_in(&self, key: &str, content: &str) {
        let path = self.root.join("jobs").join(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("writes");
    }

    /// Where a file of it is.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join("jobs").join(key)
    }

    /// The variables that lead a client to it.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
