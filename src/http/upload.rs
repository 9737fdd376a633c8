//! Uploads, read: what a body is meant as, by its type and by what it is.
//!
//! `curl -d` says that its body is a form, whatever it is. So a body that is a JSON object is read as one, unless its type
//! says that it is source: a script that is a JSON object runs, succeeds and does nothing, which nobody wants.

use super::body::{self, Fields, settings_of};
use super::described_fields::fields;
use super::problem::Problem;
use super::requests::{ScriptForm, ScriptRequest};
use crate::exact::Exact;
use crate::script::{Name, SETTINGS, Settings};
use crate::service::{self, ScriptContent};
use crate::source_files::{Sources, is_archive};
use crate::suggest::nearest;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde_json::{Map, Value};

/// What `curl -d` says, whatever it sends.
const FORM: &str = "application/x-www-form-urlencoded";
/// What tells of the content in a form or in JSON, beside the settings.
const CONTENT: [&str; 3] = ["source", "files", "from"];
/// Endings of files that are dropped from a script's name.
const ENDINGS: [&str; 3] = [".zip", ".pyc", ".py"];

/// An upload.
pub(super) struct Upload {
    /// The name of the script.
    pub(super) name: Name,
    /// The content.
    pub(super) content: ScriptContent,
    /// What is set beside it, if anything is.
    pub(super) settings: Option<Settings>,
}

/// An upload whose script may have no name yet.
#[derive(Default)]
struct Sent {
    /// A name in the body.
    name: Option<String>,
    /// The name of the one file that was sent.
    file: Option<String>,
    /// Files by path, or one source.
    files: Vec<(String, Bytes)>,
    /// Which of the files a run begins in.
    main: Option<String>,
    source: Option<Bytes>,
    from: Option<String>,
    settings: Option<Settings>,
}

/// Reads an upload. `name` is the script's in the address, if one is there.
/// `main` is the file where a run begins, if the query names one: an archive has no place for it.
pub(super) async fn read(
    parts: Parts,
    content: Bytes,
    name: Option<Name>,
    main: Option<String>,
) -> Result<Upload, Problem> {
    let kind = kind_of(&parts.headers);
    let sent = match kind.as_str() {
        "multipart/form-data" => read_form(parts, content).await?,
        kind if says_json(kind) => read_json(&content)?,
        "" | "application/octet-stream" | FORM if looks_like_json(&content) => read_json(&content)?,
        FORM if is_pairs(&content) => read_pairs(&content)?,
        ""
        | "application/octet-stream"
        | FORM
        | "application/zip"
        | "application/x-zip-compressed"
        | "application/x-python"
        | "application/x-python-code"
        | "application/x-bytecode.python" => Sent { source: Some(content), ..Sent::default() },
        kind if kind.starts_with("text/") => Sent { source: Some(content), ..Sent::default() },
        other => {
            let detail = format!(
                "{:?} is no type that a script comes in: send text/x-python, application/zip, multipart/form-data or application/json",
                service::quoted(other)
            );
            return Err(
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type", detail).field("Content-Type")
            );
        }
    };
    Sent { main: main.or(sent.main), ..sent }.named(name)
}

impl Sent {
    /// The upload, when its script has a name.
    fn named(self, of_address: Option<Name>) -> Result<Upload, Problem> {
        let name = self.name_with(of_address)?;
        let content = match (self.source, self.from) {
            (Some(source), _) => {
                ScriptContent::Sources(Sources::of_upload(name.as_str(), source, self.main.as_deref())?)
            }
            (None, Some(from)) => ScriptContent::Link(from),
            (None, None) => {
                ScriptContent::Sources(Sources::of_script(name.as_str(), self.files, self.main.as_deref())?)
            }
        };
        if let ScriptContent::Sources(sources) = &content
            && looks_like_json(sources.source())
        {
            return Err(json_as_source());
        }
        Ok(Upload { name, content, settings: self.settings })
    }

    fn name_with(&self, of_address: Option<Name>) -> Result<Name, Problem> {
        let said = self.name.as_deref().map(Name::parse).transpose()?;
        match (of_address, said) {
            (Some(name), Some(said)) if name != said => {
                let detail = format!("the name in the body is {said}, and the one in the address is {name}");
                Err(Problem::invalid("name", detail))
            }
            (Some(name), _) | (None, Some(name)) => Ok(name),
            (None, None) => match &self.file {
                Some(file) => {
                    let last = file.rsplit(['/', '\\']).next().unwrap_or_default();
                    let stem = ENDINGS.iter().find_map(|ending| last.strip_suffix(ending)).unwrap_or(last);
                    Name::parse(stem).map_err(|error| {
                        let detail = format!("{error}; to give another name than the file's: POST /v1/scripts?name=…");
                        Problem::bad("bad_name", detail).field("name")
                    })
                }
                None => {
                    let detail = "a script needs a name: POST /v1/scripts?name=price, or PUT /v1/scripts/price";
                    Err(Problem::bad("missing_name", detail).field("name"))
                }
            },
        }
    }
}

/// The type of a body, without its parameters; empty when none was said.
pub(super) fn kind_of(headers: &HeaderMap) -> String {
    let said = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a type is JSON's.
pub(super) fn says_json(kind: &str) -> bool {
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

/// Whether a body is a JSON object or array, whatever its type says. As Python that would be a value that nobody uses.
pub(super) fn looks_like_json(content: &[u8]) -> bool {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'[')) && Exact::from_slice(text).is_ok()
}

/// What is said about a source that is JSON.
pub(super) fn json_as_source() -> Problem {
    let detail = "this source is JSON, and no program: send it as the body with the header Content-Type: application/json; \
        a script is sent as text/x-python";
    Problem::invalid("source", detail).code("json_as_source")
}

/// A body that curl's `-d` may have taken the line breaks from: of a form's type, and one line.
pub(super) fn is_stripped_form(headers: &HeaderMap, content: &[u8]) -> bool {
    kind_of(headers) == FORM && !content.contains(&b'\n') && !content.contains(&b'\r')
}

/// What is said about a source without line breaks.
pub(super) fn line_breaks_stripped() -> Problem {
    let detail =
        "the body has no line breaks: curl's -d strips them; send the file with --data-binary @FILE or -T FILE";
    Problem::invalid("source", detail).code("line_breaks_stripped")
}

/// Whether a body is `name=value` pairs, as `curl --data-urlencode source@price.py` sends them: nothing in it that such a
/// form writes in percent, each name known, and one of them the content.
fn is_pairs(content: &[u8]) -> bool {
    let is_form = content.iter().all(|byte| byte.is_ascii_alphanumeric() || b"=&%+-._*~/:".contains(byte));
    let known = |name: &str| CONTENT.contains(&name) || name == "name" || SETTINGS.contains(&name);
    is_form
        && form_urlencoded::parse(content).all(|(name, _)| known(&name))
        && form_urlencoded::parse(content).any(|(name, value)| CONTENT.contains(&&*name) && !value.is_empty())
}

fn read_pairs(content: &[u8]) -> Result<Sent, Problem> {
    let mut fields = Form::default();
    for (name, value) in form_urlencoded::parse(content) {
        fields.text(&name, Bytes::from(value.into_owned()))?;
    }
    fields.sent()
}

fn read_json(content: &[u8]) -> Result<Sent, Problem> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut fields = Fields::read(content, fields::<ScriptRequest>())?;
    let name: Option<String> = fields.take("name")?;
    let source: Option<String> = fields.take("source")?;
    let files: Option<Map<String, Value>> = fields.take("files")?;
    let main: Option<String> = fields.take("main")?;
    let from: Option<String> = fields.take("from")?;
    let settings = set(settings_of(fields)?);
    match [source.is_some(), files.is_some(), from.is_some()].iter().filter(|there| **there).count() {
        1 => {}
        0 => return Err(Problem::bad("empty_source", "one of source, files and from is needed").field("source")),
        _ => {
            let detail = "only one of source, files and from can be there";
            return Err(Problem::bad("ambiguous_source", detail).field("source"));
        }
    }
    let text = |(path, content): (String, Value)| match content {
        Value::String(content) => Ok((path, Bytes::from(content))),
        other => {
            let (path, kind) = (service::quoted(&path), body::kind(&other));
            Err(Problem::invalid("files", format!("files: the content of {path:?} is {kind}, and not a text")))
        }
    };
    let files = files.into_iter().flatten().map(text).collect::<Result<_, Problem>>()?;
    Ok(Sent { main, name, source: source.map(Bytes::from), files, from, settings, file: None })
}

/// Settings, if they set anything.
fn set(settings: Settings) -> Option<Settings> {
    (settings != Settings::default()).then_some(settings)
}

/// The fields of a form so far.
#[derive(Default)]
struct Form {
    sent: Sent,
    said: Map<String, Value>,
    archive: Option<Bytes>,
}

impl Form {
    /// A field that is no file.
    fn text(&mut self, name: &str, content: Bytes) -> Result<(), Problem> {
        let text = || String::from_utf8_lossy(&content).into_owned();
        match name {
            "source" | "file" => self.sent.files.push(("main.py".into(), content)),
            "name" => self.sent.name = Some(text()),
            "from" => self.sent.from = Some(text()),
            "settings" => self.said.extend(Fields::read(&content, SETTINGS)?.rest()?),
            name if SETTINGS.contains(&name) => {
                let plain = matches!(name, "title" | "entry" | "result" | "timezone" | "on_lost");
                let value = if plain { None } else { serde_json::from_slice(&content).ok() };
                self.said.insert(name.to_owned(), value.unwrap_or_else(|| Value::String(text())));
            }
            other => {
                let known = fields::<ScriptForm>().iter().copied();
                let meant = nearest(other, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                let shown = service::quoted(other);
                let detail = format!("there is no field {shown:?}{meant}");
                return Err(Problem::invalid(&shown, detail).code("unknown_field"));
            }
        }
        Ok(())
    }

    /// A file.
    fn file(&mut self, path: String, content: Bytes) -> Result<(), Problem> {
        self.sent.file = Some(path.clone());
        if is_archive(&content) {
            if self.archive.replace(content).is_some() {
                return Err(Problem::invalid("file", "there is more than one archive").code("bad_multipart"));
            }
        } else {
            self.sent.files.push((path, content));
        }
        Ok(())
    }

    fn sent(self) -> Result<Sent, Problem> {
        let Form { mut sent, said, archive } = self;
        sent.settings = set(settings_of(Fields::of(said, SETTINGS)?)?);
        if sent.from.is_some() && (archive.is_some() || !sent.files.is_empty()) {
            return Err(
                Problem::bad("ambiguous_source", "only one of source, file and from can be there").field("from")
            );
        }
        match (archive, sent.files.len()) {
            (Some(archive), 0) => sent.source = Some(archive),
            (Some(_), _) => return Err(Problem::invalid("file", "an archive must be alone").code("bad_multipart")),
            // One file is the script, whatever it was called where it came from.
            (None, 1) => sent.source = sent.files.pop().map(|(_, content)| content),
            // Several have no one name.
            (None, _) => sent.file = None,
        }
        Ok(sent)
    }
}

async fn read_form(parts: Parts, content: Bytes) -> Result<Sent, Problem> {
    let broken = |why: String| Problem::bad("bad_multipart", format!("the form cannot be read: {why}"));
    let request = Request::from_parts(parts, axum::body::Body::from(content));
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| broken(error.body_text()))?;
    let mut fields = Form::default();
    while let Some(field) = form.next_field().await.map_err(|error| broken(error.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let content = field.bytes().await.map_err(|error| broken(error.body_text()))?;
        match file {
            Some(path) => fields.file(path, content)?,
            None => fields.text(&name, content)?,
        }
    }
    fields.sent()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn what_curl_sends_is_told_apart() {
        let mut headers = HeaderMap::new();
        assert_eq!(kind_of(&headers), "");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
        assert!(is_stripped_form(&headers, b"import os print(1)"));
        assert!(!is_stripped_form(&headers, b"import os\nprint(1)"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/x-python; charset=utf-8"));
        assert_eq!(kind_of(&headers), "text/x-python");
        for (content, json, pairs) in [
            (&br#"{"from": "s3://jobs/a.py"}"#[..], true, false),
            (b"\xef\xbb\xbf\n [1, 2]", true, false),
            (b"{1: 2}", false, false),
            (b"{'from': 's3://jobs/a.py'}", false, false),
            (b"{print(1)}", false, false),
            (b"\"text\"", false, false),
            (b"source=import+os%0Aprint%281%29&title=T", false, true),
            (b"from=s3://jobs/a.py", false, true),
            (b"source=print(1)", false, false),
            (b"source=", false, false),
            (b"x=1", false, false),
            (b"print(1)", false, false),
        ] {
            let shown = String::from_utf8_lossy(content);
            assert_eq!((looks_like_json(content), is_pairs(content)), (json, pairs), "{shown}");
        }
    }

    #[test]
    fn the_name_of_a_file_is_the_scripts() {
        let named = |file: &str| {
            let sent = Sent { file: Some(file.into()), source: Some(Bytes::from_static(b"x = 1")), ..Sent::default() };
            sent.named(None)
                .map(|upload| upload.name.as_str().to_owned())
                .map_err(|problem| problem.error.code.into_owned())
        };
        for (file, name) in
            [("price.py", "price"), ("jobs/price.py", "price"), ("price.zip", "price"), ("a.b.pyc", "a.b")]
        {
            assert_eq!(named(file), Ok(name.to_owned()), "{file}");
        }
        assert_eq!(named("my price.py"), Err("bad_name".to_owned()));
    }
}
