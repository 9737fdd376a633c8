//! Blobs that are deleted while others write and refer to the same content: whatever happens in whatever order, what is
//! referred to is there.

use super::{DatabaseUrl, Store, TestFile, after, cluster, start, version};
use chrono::TimeDelta;
use cronbox::blobs::Blobs;
use cronbox::cleaner::{Cleaner, Retention};
use cronbox::clock::{Clock, Time};
use cronbox::publication::NewVersion;
use cronbox::publish::keep_blob;
use cronbox::store::StoreError;
use cronbox::store::blobs::Announced;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::sync::Arc;
use tokio::sync::Semaphore;

on_every_engine![nothing_refers_to_what_is_being_deleted, a_slow_delete_takes_nothing_that_is_written_again];

/// A store whose deletes wait until they are let through.
#[derive(Debug)]
struct Slow {
    inner: Arc<InMemory>,
    asked: Arc<Semaphore>,
    through: Arc<Semaphore>,
}

impl std::fmt::Display for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("slow")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Slow {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, asked, through) = (self.inner.clone(), self.asked.clone(), self.through.clone());
        paths
            .and_then(move |path| {
                let (inner, asked, through) = (inner.clone(), asked.clone(), through.clone());
                async move {
                    asked.add_permits(1);
                    through.acquire().await.expect("open").forget();
                    inner.delete(&path).await.map(|()| path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn nothing_refers_to_what_is_being_deleted(store: Store) {
    let key = "sources/a";
    let (hour, left) = (TimeDelta::hours(1), TimeDelta::minutes(5));
    let begin = |now: Time| {
        let store = store.clone();
        async move { store.begin_delete(key, now - hour, now - left, now).await.expect("asks") }
    };
    let listed = |now: Time| {
        let store = store.clone();
        async move { store.condemned_blobs(now - hour, now - left, 9).await.expect("lists").len() }
    };
    let announce = |now: Time| {
        let store = store.clone();
        async move { store.announce_blob(key, now).await.expect("announces") }
    };
    let gone =
        |kept: std::result::Result<_, StoreError>| matches!(kept, Err(StoreError::BlobGone(other)) if other == key);
    // Not announced, or not written: nothing to refer to.
    assert!(gone(store.keep_version(version("a", "a"), start()).await));
    assert_eq!(announce(start()).await, Announced::Ready { written: false });
    assert!(gone(store.keep_version(version("a", "a"), start()).await));
    assert!(store.blob_written(key).await.expect("writes"));
    assert_eq!(announce(start()).await, Announced::Ready { written: true });
    assert!(!begin(after(3600)).await);
    assert_eq!((begin(after(3601)).await, begin(after(3602)).await), (true, false), "one deletes it");
    assert_eq!(listed(after(3602)).await, 0);
    // Meanwhile nobody else has it.
    assert_eq!(announce(after(3602)).await, Announced::BeingDeleted);
    assert!(!store.blob_written(key).await.expect("asks"));
    assert!(gone(store.keep_version(version("a", "a"), after(3602)).await));
    assert_eq!(store.script("a").await.expect("reads"), None, "all or nothing");
    // One that died in the middle is taken over; when it comes back, it does not end what another began.
    assert_eq!(listed(after(3902)).await, 1);
    assert!(begin(after(3902)).await);
    assert!(!store.end_delete(key, after(3601)).await.expect("asks"));
    assert_eq!(announce(after(3903)).await, Announced::BeingDeleted);
    assert!(store.end_delete(key, after(3902)).await.expect("ends"));
    assert_eq!(announce(after(3904)).await, Announced::Ready { written: false });
    store.blob_written(key).await.expect("writes");
    store.keep_version(version("a", "a"), after(3904)).await.expect("keeps");
    assert!(!begin(after(90_000)).await);
}

/// The same source is uploaded while its object is being deleted, which takes long.
async fn a_slow_delete_takes_nothing_that_is_written_again(store: Store) {
    let (asked, through) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = Slow { inner: Arc::default(), asked: asked.clone(), through: through.clone() };
    let blobs = Blobs::over(Arc::new(slow), String::new(), false);
    let clock = Clock::manual(start());
    let content = bytes::Bytes::from_static(b"def run(): return 'hello'\n");
    let (key, sha256) = Blobs::name(cronbox::blobs::Kind::Source, &content);
    keep_blob(&store, &blobs, &key, content.clone(), start()).await.expect("keeps");
    clock.set(after(7200));
    let cleaner = Cleaner { store: store.clone(), blobs: blobs.clone(), clock, retention: Retention::default() };
    let stop = tokio_util::sync::CancellationToken::new();
    let cleaning = tokio::spawn(async move { cleaner.round(false, &stop).await });
    // The delete is under way.
    asked.acquire().await.expect("open").forget();
    let writing = tokio::spawn({
        let (store, blobs, key) = (store.clone(), blobs.clone(), key.clone());
        async move {
            keep_blob(&store, &blobs, &key, content, after(7201)).await.expect("keeps");
            let new = NewVersion { blob: key, sha256, ..version("two", "x") };
            store.keep_version(new, after(7201)).await.expect("keeps")
        }
    });
    // The writer has seen that it is, and waits.
    while store.announce_blob(&key, after(7201)).await.expect("asks") != Announced::BeingDeleted {
        tokio::task::yield_now().await;
    }
    assert!(!writing.is_finished());
    through.add_permits(1);
    cleaning.await.expect("joins").expect("cleans");
    writing.await.expect("joins");
    assert_eq!(&blobs.get(&key).await.expect("is there")[..], b"def run(): return 'hello'\n");
}

/// Numbers from a seed.
struct Chance(u64);

impl Chance {
    /// Less than `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// How far a writer is with a content.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Idle,
    Announced(usize, bool),
    Put(usize, bool),
    Written(usize),
    Referring(usize),
}

/// How far a cleaner is with a content: which, and its mark; sent is the delete.
#[derive(Clone, Copy, Debug)]
enum Deleter {
    Idle,
    Marked(usize, Time),
    Sent(usize, Time),
}

/// Writers and cleaners that stop anywhere, for any time, for ever; deletes that land when whoever sent them is gone.
#[tokio::test]
async fn whatever_happens_what_is_referred_to_is_there() {
    const CONTENTS: [&[u8]; 2] = [b"one", b"two"];
    let (mut kept, mut refused, mut deleted) = (0, 0, 0);
    for seed in 1..=40 {
        let mut chance = Chance(seed * 0x9e37_79b9_7f4a_7c15);
        let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let blobs = Blobs::over(objects.clone(), String::new(), false);
        let keys = CONTENTS.map(|content| Blobs::name(cronbox::blobs::Kind::Source, content).0);
        let mut now = start();
        let mut writers = [Writer::Idle; 3];
        let mut deleters = [Deleter::Idle; 2];
        let mut flying: Vec<(Time, usize)> = Vec::new();
        for _ in 0..300 {
            now += TimeDelta::seconds([0, 1, 20, 400, 2400][chance.below(5) as usize]);
            for (_, content) in flying.extract_if(.., |(lands, _)| *lands <= now) {
                blobs.delete(&keys[content]).await.expect("deletes");
            }
            let who = chance.below(5) as usize;
            if who < 3 {
                let script = format!("w{who}");
                writers[who] = match writers[who] {
                    // It dies; or it starts anew.
                    _ if chance.below(12) == 0 => {
                        store.delete_script(&script, false, now).await.expect("deletes");
                        Writer::Idle
                    }
                    Writer::Idle => {
                        let content = chance.below(2) as usize;
                        match store.announce_blob(&keys[content], now).await.expect("announces") {
                            Announced::Ready { written } => Writer::Announced(content, written),
                            Announced::BeingDeleted => Writer::Idle,
                        }
                    }
                    Writer::Announced(content, written) => {
                        blobs.put(&keys[content], CONTENTS[content].into()).await.expect("puts");
                        Writer::Put(content, written)
                    }
                    Writer::Put(content, written) => {
                        match written || store.blob_written(&keys[content]).await.expect("writes") {
                            true => Writer::Written(content),
                            false => Writer::Idle,
                        }
                    }
                    Writer::Written(content) => {
                        let new = NewVersion { blob: keys[content].clone(), ..version(&script, &format!("{content}")) };
                        match store.keep_version(new, now).await {
                            Ok(_) => {
                                kept += 1;
                                Writer::Referring(content)
                            }
                            Err(StoreError::BlobGone(_)) => {
                                refused += 1;
                                Writer::Idle
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                    Writer::Referring(content) if chance.below(3) > 0 => Writer::Referring(content),
                    Writer::Referring(_) => {
                        store.delete_script(&script, false, now).await.expect("deletes");
                        Writer::Idle
                    }
                };
            } else {
                let (before, left) = (now - TimeDelta::hours(1), now - TimeDelta::minutes(5));
                let deleter = &mut deleters[who - 3];
                *deleter = match *deleter {
                    // Dead; what it has sent may land yet.
                    Deleter::Marked(..) | Deleter::Sent(..) if chance.below(4) == 0 => Deleter::Idle,
                    Deleter::Idle => {
                        let content = chance.below(2) as usize;
                        match store.begin_delete(&keys[content], before, left, now).await.expect("asks") {
                            true => Deleter::Marked(content, now),
                            false => Deleter::Idle,
                        }
                    }
                    // A node that stood still for so long has lost its connections.
                    Deleter::Marked(_, mark) if now - mark > TimeDelta::minutes(1) => Deleter::Idle,
                    Deleter::Marked(content, mark) => {
                        flying.push((now + TimeDelta::seconds(chance.below(60) as i64), content));
                        Deleter::Sent(content, mark)
                    }
                    Deleter::Sent(content, mark) => {
                        // It knows that it is done when it is.
                        if flying.iter().any(|(_, other)| *other == content) {
                            Deleter::Sent(content, mark)
                        } else {
                            deleted += u32::from(store.end_delete(&keys[content], mark).await.expect("ends"));
                            Deleter::Idle
                        }
                    }
                };
            }
            for (who, writer) in writers.iter().enumerate() {
                if let Writer::Referring(content) = writer {
                    let there = objects.head(&keys[*content].as_str().into()).await;
                    assert!(there.is_ok(), "seed {seed}, writer {who}: {writers:?} {deleters:?} {flying:?}");
                }
            }
        }
    }
    // All of it happened.
    assert!(kept > 100 && refused > 10 && deleted > 30, "{kept} {refused} {deleted}");
}
