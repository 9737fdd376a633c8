//! Fetching archives, each checked against its digest.

use super::cache;
use super::chosen::Chosen;
use super::lock::Pinned;
use super::offer::Form;
use super::order::{Order, tell};
use super::wheel;
use super::{PackageError, Step, write_whole};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The time one wheel may take.
const FETCH_WITHIN: Duration = Duration::from_secs(60);

/// Wheels fetched at once.
const AT_ONCE: usize = 6;

/// The client for all that is fetched.
pub(super) fn client() -> Result<reqwest::Client, PackageError> {
    // The client brings no implementation of TLS of its own; another may have been set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(FETCH_WITHIN)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| PackageError::Failed(error.to_string()))
}

/// The archives, in their order, each checked against its digest; nothing for what Cronbox has itself.
pub(super) async fn fetch(
    order: &Order,
    client: &reqwest::Client,
    chosen: &[Chosen],
) -> Result<Vec<Vec<u8>>, PackageError> {
    let kept = cache::wheels(&order.cache);
    std::fs::create_dir_all(&kept).map_err(|error| PackageError::Failed(format!("{}: {error}", kept.display())))?;
    let (of, done) = (chosen.len(), AtomicUsize::new(0));
    tell(Step::Fetching { done: 0, of });
    let one = |chosen: &Chosen| {
        let (client, pinned) = (client.clone(), chosen.pinned.clone());
        let (kept, done, is_here) = (kept.join(format!("{}.whl", pinned.sha256)), &done, chosen.form == Form::StandIn);
        async move {
            let content = if is_here { Vec::new() } else { fetch_one(&client, order, &pinned, &kept).await? };
            tell(Step::Fetching { done: done.fetch_add(1, Relaxed) + 1, of });
            Ok(content)
        }
    };
    stream::iter(chosen).map(one).buffered(AT_ONCE).try_collect().await
}

async fn fetch_one(
    client: &reqwest::Client,
    order: &Order,
    pinned: &Pinned,
    kept: &Path,
) -> Result<Vec<u8>, PackageError> {
    let is_right = |content: &[u8]| hex::encode(Sha256::digest(content)) == pinned.sha256;
    if let Ok(content) = std::fs::read(kept)
        && is_right(&content)
    {
        cache::touch(kept);
        return Ok(content);
    }
    let bad = |why: String| PackageError::BadWheel(format!("{} {}: {why}", pinned.name, pinned.version));
    let url = reqwest::Url::parse(&pinned.url).map_err(|error| bad(format!("its wheel has no address: {error}")))?;
    let too_large = || bad(format!("its wheel has more than {} bytes", wheel::LARGEST));
    let content = if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| bad("its wheel has no path".into()))?;
        let size = std::fs::metadata(&path).map_err(|error| bad(error.to_string()))?.len();
        if size > wheel::LARGEST as u64 {
            return Err(too_large());
        }
        std::fs::read(&path).map_err(|error| bad(error.to_string()))?
    } else {
        let away = |error: reqwest::Error| PackageError::IndexAway(error.without_url().to_string());
        let mut request = client.get(url.clone());
        let index = order.index.as_deref().and_then(|index| reqwest::Url::parse(index).ok());
        if let Some(index) = index.filter(|index| index.host() == url.host() && !index.username().is_empty()) {
            request = request.basic_auth(index.username(), index.password());
        }
        let mut response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(away)?;
        let mut content = Vec::new();
        while let Some(part) = response.chunk().await.map_err(away)? {
            content.extend_from_slice(&part);
            if content.len() > wheel::LARGEST {
                return Err(too_large());
            }
        }
        content
    };
    if !is_right(&content) {
        return Err(bad("its wheel is not what the lock says: the digests differ".into()));
    }
    // A cache that is full costs the next order a fetch.
    let _ = write_whole(kept, &content);
    Ok(content)
}
