//! The reader of what a bucket lists, for [`crate::readers`].

use super::root::Root;
use crate::readers::{Reader, block_on, seeds};
use axum::http::Response;
use bytes::Bytes;
use object_store::ClientOptions;
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) const READERS: &[Reader] = &[("listing of a bucket", read_listing, seeds_of_listings)];

/// Most characters of a sentence about a bucket.
const MOST_WORDS: usize = 500;
const EMPTY: &[u8] = b"<ListBucketResult/>";

/// A bucket that gives one answer, and an empty list to each later question.
#[derive(Clone, Debug)]
struct Bucket {
    answer: Bytes,
    is_asked: Arc<AtomicBool>,
}

impl HttpConnector for Bucket {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Bucket {
    fn call<'a, 'b>(
        &'a self,
        _request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let is_first = !self.is_asked.swap(true, Ordering::Relaxed);
        let answer = if is_first { self.answer.clone() } else { Bytes::from_static(EMPTY) };
        Box::pin(std::future::ready(Ok(Response::new(answer.into()))))
    }
}

fn read_listing(bytes: &[u8]) {
    let bucket = Bucket { answer: Bytes::copy_from_slice(bytes), is_asked: Arc::default() };
    let store = AmazonS3Builder::new()
        .with_bucket_name("b")
        .with_region("r")
        .with_skip_signature(true)
        .with_http_connector(bucket)
        .build();
    let Ok(store) = store else { panic!("a bucket is opened") };
    let root = Root::of_bucket("s3://b/p", Arc::new(store), "p");
    match block_on(root.list()) {
        Ok(listing) => {
            for (file, _) in &listing.scripts {
                assert!(file.ends_with(".py") && !file.contains('/') && listing.names.contains(file), "{file:?}");
            }
        }
        Err(error) => {
            let words = error.to_string();
            assert!(words.chars().count() <= MOST_WORDS && !words.contains(char::is_control), "{words:?}");
        }
    }
}

fn seeds_of_listings() -> Vec<Vec<u8>> {
    let object = |key: &str, size: &str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-27T04:23:25.000Z</LastModified>\
             <ETag>&quot;9b2cf5&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    };
    let list = |content: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>b</Name><Prefix>p/</Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>\
             {content}</ListBucketResult>"
        )
    };
    seeds(&[
        &list(&(object("p/a.py", "12") + &object("p/签到.py", "99999999999") + &object("p/", "0"))),
        &list(&format!(
            "{}<CommonPrefixes><Prefix>p/deep/</Prefix></CommonPrefixes><NextContinuationToken>x</NextContinuationToken>",
            object("p/a&#x1b;[2J.py", "1")
        )),
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><ListBucketResult><Name>&a;&a;</Name></ListBucketResult>",
    ])
}
