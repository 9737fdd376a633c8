//! Clients that do not go on: with a handshake, with a first request, or with taking an answer that they asked for over HTTP/2.

use crate::support;
use crate::support::certificates::Authority;
use crate::support::server::{Folder, Server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Secure = StreamOwned<ClientConnection, TcpStream>;

fn secure(folder: &Folder, through: &[&str]) -> (Authority, Server) {
    let authority = Authority::new(&folder.0);
    authority.certificate("one", 30);
    let words = ["--ephemeral", "--tls-cert", "one.pem", "--tls-key", "one.key"];
    (authority, Server::start_through(through, &folder.0, &words))
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.trim_start_matches("https://")).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sets");
    stream
}

/// A connection over which HTTP/2 is spoken.
fn http2(server: &Server, authority: &Authority) -> Secure {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file()).expect("a certificate")).expect("taken");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    StreamOwned::new(connection, connect(server))
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// What a client sends first; `window` is how much it takes of each answer.
fn preface(window: u32) -> Vec<u8> {
    let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &settings)].concat()
}

/// A request for a path.
fn asks(stream: u32, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    // GET, https, the path and the host.
    let head = [&[0x82, 0x87, 0x04][..], &text(path), &[0x01], &text("localhost")].concat();
    // The head ends here, and so does the request.
    frame(1, 0b101, stream, &head)
}

/// Reads until the connection ends; how long that took. A PING that comes is answered, as every client does.
fn until_end(mut stream: Secure) -> Duration {
    let begun = Instant::now();
    let mut read = Vec::new();
    let mut piece = [0; 1 << 14];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => read.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => break,
            Err(error) => panic!("{error}"),
        }
        while read.len() >= 9 {
            let length = usize::from(read[0]) << 16 | usize::from(read[1]) << 8 | usize::from(read[2]);
            if read.len() < 9 + length {
                break;
            }
            let rest = read.split_off(9 + length);
            let (kind, flags) = (read[3], read[4]);
            if kind == 6 && flags == 0 {
                let _ = stream.write_all(&frame(6, 1, 0, &read[9..]));
            }
            read = rest;
        }
        assert!(begun.elapsed() < Duration::from_secs(55), "the connection goes on");
    }
    begun.elapsed()
}

async fn healthy(authority: &Authority, server: &Server) -> Duration {
    let client = authority.client().timeout(Duration::from_secs(20)).build().expect("a client");
    let asked = Instant::now();
    let answer = client.get(format!("{}/healthz", server.url)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    asked.elapsed()
}

/// Thousands that connect and say nothing, or begin a handshake: others come in, and their places come back.
#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_take_nobodys_place() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &["bash", "-c", "ulimit -n 600 && exec \"$@\"", "bash"]);
    let mut silent = Vec::new();
    for round in 0..10 {
        for n in 0..300 {
            let mut stream = connect(&server);
            if n % 2 == 0 {
                // The beginning of a record that does not come. Its connection may be closed already.
                let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]);
            }
            // The newest stay; who goes away himself costs nothing.
            silent.push(stream);
        }
        assert!(healthy(&authority, &server).await < Duration::from_secs(5), "after {round} rounds");
        silent.drain(..silent.len() - 300);
    }
    let open = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a directory").count();
    let begun = Instant::now();
    while open() > 60 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} descriptors are open", open());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(silent.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http2_has_to_go_on() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &["env"]);
    let ends = |sent: Vec<u8>| {
        let mut stream = http2(&server, &authority);
        stream.write_all(&sent).expect("sends");
        std::thread::spawn(move || until_end(stream))
    };
    let ends = [
        ("it asks for nothing", ends(preface(65_535)), 15..30),
        ("a head never ends", ends([preface(65_535), frame(1, 1, 1, &[0x82])].concat()), 15..30),
        ("it takes nothing", ends([preface(0), asks(1, "/docs"), asks(3, "/openapi.json")].concat()), 19..35),
        ("it takes a little", ends([preface(10), asks(1, "/docs/api/swagger-ui-bundle.js")].concat()), 19..35),
    ];
    // Who takes what it asked for stays, and so does who only listens.
    let mut stays = http2(&server, &authority);
    let first = [preface(1 << 20), asks(1, "/healthz")].concat();
    stays.write_all(&first).expect("sends");
    for (what, ended, within) in ends {
        let seconds = ended.join().expect("ends").as_secs();
        assert!(within.contains(&seconds), "{what}: {seconds} s");
    }
    stays.write_all(&asks(3, "/healthz")).expect("sends");
    stays.sock.set_read_timeout(Some(Duration::from_secs(5))).expect("sets");
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    while read.windows(3).filter(|three| three == b"ok\n").count() < 2 {
        let count = stays.read(&mut piece).expect("goes on");
        assert!(count > 0, "it was ended");
        read.extend_from_slice(&piece[..count]);
    }
    assert!(healthy(&authority, &server).await < Duration::from_secs(2));
}

/// Streams that are opened and reset at once (CVE-2023-44487): the others notice nothing, and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_at_once_cost_little() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &["env"]);
    let memory = || support::private_memory(server.pid()) >> 20;
    healthy(&authority, &server).await;
    let before = memory();
    let flood = |count: u32| {
        let mut stream = http2(&server, &authority);
        stream.write_all(&preface(65_535)).expect("sends");
        for n in 0..count {
            let id = 2 * n + 1;
            let both = [asks(id, "/openapi.json"), frame(3, 0, id, &8_u32.to_be_bytes())].concat();
            // It may be ended: that is what such clients get.
            if stream.write_all(&both).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4).map(|_| scope.spawn(|| flood(20_000))).collect();
        let runtime = tokio::runtime::Handle::current();
        while floods.iter().any(|flood| !flood.is_finished()) {
            let waited = tokio::task::block_in_place(|| runtime.block_on(healthy(&authority, &server)));
            assert!(waited < Duration::from_secs(5), "{waited:?}");
        }
    });
    assert!(memory() < before + 64, "{before} MiB became {} MiB", memory());
}
