//! Pages of a package index: what files there are of a project (PEP 503 in HTML, PEP 691 in JSON).

mod html;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is asked for: JSON where the index has it.
pub(super) const ACCEPTED: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
/// What is answered to the resolver.
pub(super) const JSON: &str = "application/vnd.pypi.simple.v1+json";
/// Most files of one project that are looked at.
const MOST_FILES: usize = 50_000;

/// A file of a project.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) filename: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) hashes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) requires_python: Option<String>,
    /// Whether its metadata are beside it, under `….metadata`: a flag, or their digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) core_metadata: Option<Value>,
    /// Why it is not to be taken: a flag, or a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) yanked: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload_time: Option<String>,
}

impl File {
    /// Whether its metadata can be had without it.
    pub(super) fn has_metadata(&self) -> bool {
        self.core_metadata.as_ref().is_some_and(is_said)
    }

    pub(super) fn is_yanked(&self) -> bool {
        self.yanked.as_ref().is_some_and(is_said)
    }
}

/// Whether a field that is a flag or something better says yes.
fn is_said(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

#[derive(Deserialize, Serialize)]
struct Page {
    #[serde(default)]
    meta: Value,
    #[serde(default)]
    name: String,
    files: Vec<File>,
}

/// Reads the page of a project that lies at `at`. The error is a sentence.
pub(super) fn read(content: &str, is_json: bool, at: &Url) -> Result<Vec<File>, String> {
    let mut files = if is_json {
        let page: Page = serde_json::from_str(content).map_err(|error| error.to_string())?;
        page.files
    } else {
        html::anchors(content)?
    };
    files.truncate(MOST_FILES);
    for file in &mut files {
        let url = at.join(&file.url).map_err(|error| format!("{}: {error}", file.filename))?;
        file.url = url.to_string();
    }
    Ok(files)
}

/// The page as the resolver reads it.
pub(super) fn write(name: &str, files: Vec<File>) -> String {
    let page = Page { meta: serde_json::json!({"api-version": "1.0"}), name: name.to_owned(), files };
    // It has string keys and finite numbers only, so that it always is JSON.
    serde_json::to_string(&page).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Url {
        Url::parse("https://index.example/simple/demo/").expect("an address")
    }

    #[test]
    fn links_of_html_are_files() {
        let page = r#"<!DOCTYPE html><body><h1>Links</h1>
            <A HREF="../../files/demo-1.0%2Blocal-py3-none-any.whl#sha256=ab" data-requires-python="&gt;=3.8" data-core-metadata="sha256=cd">x</A>
            <a href="https://other.example/demo-2.tar.gz?x=1" data-yanked="it lost data">demo-2.tar.gz</a><a>nothing</a>"#;
        let files = read(page, false, &at()).expect("reads");
        assert_eq!(files.len(), 2);
        assert_eq!(files[0].filename, "demo-1.0+local-py3-none-any.whl");
        assert_eq!(files[0].url, "https://index.example/files/demo-1.0%2Blocal-py3-none-any.whl");
        assert_eq!((files[0].hashes["sha256"].as_str(), files[0].requires_python.as_deref()), ("ab", Some(">=3.8")));
        assert!(files[0].has_metadata() && !files[0].is_yanked());
        assert_eq!(files[1].filename, "demo-2.tar.gz");
        assert!(files[1].is_yanked() && !files[1].has_metadata());
    }

    #[test]
    fn very_many_attributes_of_a_tag_do_not_overflow_the_stack() {
        let refused = |page: &str| match read(page, false, &at()) {
            Ok(files) => {
                assert_eq!(files[0].filename, "a.whl");
                false
            }
            Err(why) => {
                assert!(why.contains("too many attributes"), "{why}");
                true
            }
        };
        for start in ["<a ", "</a ", "<a x='>' ", "<a x='<>' ", "<!-- <a x=' --><b y='><' "] {
            for attribute in ["x=\"1\"", " x='1'", " x=1", " x", "/", " x='<'", " x='>'", " x='&lt;'", " =", "\0=\0"] {
                refused(&format!("<a href='a.whl'>x</a>{start}{}>", attribute.repeat(100_000)));
            }
            // The parser reports a repeated name as a token of its own, and continues without recursion.
            let names: String = (0..20_000).map(|number| format!(" x{number}='1'")).collect();
            assert!(refused(&format!("<a href='a.whl'>x</a>{start}{names}>")), "{start}");
        }
        for comment in ["<!---", "<!doctype ", "<![CDATA[", "<x", "&", "</", "<script>"] {
            for inside in ["-", "<!", "<!-", "--!", "]]", "&#", "&amp", "x ", "\r\n", "\0"] {
                let _ = read(&format!("{comment}{}", inside.repeat(100_000)), false, &at());
            }
        }
    }

    #[test]
    fn long_texts_between_tags_are_read() {
        let text = "many words\n".repeat(10_000);
        let page =
            format!("<!-- {text} {} -->{text}<a href='a.whl' title='{text}'{}>", "-".repeat(80), " x='1'".repeat(50));
        assert_eq!(read(&page, false, &at()).expect("reads").len(), 1);
    }

    #[test]
    fn json_is_read_and_written_alike() {
        let page = r#"{"meta": {"api-version": "1.4"}, "files": [{"filename": "a-1-py3-none-any.whl", "url": "a.whl",
            "hashes": {"sha256": "ab"}, "requires-python": null, "core-metadata": {"sha256": "cd"}, "yanked": false, "size": 3}]}"#;
        let files = read(page, true, &at()).expect("reads");
        assert_eq!(files[0].url, "https://index.example/simple/demo/a.whl");
        assert!(files[0].has_metadata());
        assert_eq!(read(&write("a", files.clone()), true, &at()).expect("reads"), files);
        assert!(read("{", true, &at()).is_err());
    }

    #[test]
    fn no_bytes_of_a_page_panic() {
        let pieces = [
            "<a",
            "<A ",
            " href=",
            "\"",
            "'",
            "x-1-py3-none-any.whl",
            "#sha256=",
            "&amp;",
            ">",
            "</a>",
            "<!--",
            "\0",
            "é",
            "%2",
            "%ff",
            "data-yanked",
            "=",
            "{",
            "}",
            "[",
            "]",
            "\"files\":",
            "\"url\":",
            ",",
            "null",
            "1e999",
            "http://[",
            "//",
            "\\",
        ];
        let mut dice = crate::dice::Dice::new(1);
        let mut roll = |sides: usize| dice.index(sides);
        for _ in 0..4_000 {
            let text: String = (0..roll(30)).map(|_| pieces[roll(pieces.len())]).collect();
            for is_json in [true, false] {
                if let Ok(files) = read(&text, is_json, &at()) {
                    let project = crate::packages::offer::sort("x", files, "http://here/made");
                    let _ = crate::packages::offer::all("x", &project, "http://here/made");
                }
            }
        }
    }
}
