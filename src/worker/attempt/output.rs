//! What an attempt leaves beside its result: files and a new state.

use crate::script::NewState;
use bytes::Bytes;

/// The longest path of a file that is kept, in bytes: databases bound what an index holds (PostgreSQL: 2,704 bytes).
const MAX_PATH: usize = 1_024;

/// What an attempt leaves beside its result.
#[derive(Default)]
pub(super) struct AttemptOutput {
    /// The revision of the state that it has read.
    pub(super) read: i64,
    /// The state for the next run.
    pub(super) state: Option<String>,
    /// Under `/output`, by path.
    pub(super) files: Vec<(String, Bytes)>,
    /// How many files were not taken, and the beginning of the first one's path.
    refused: Option<(usize, String)>,
}

impl AttemptOutput {
    /// Takes a file, unless no database keeps its path.
    pub(super) fn take(&mut self, path: String, content: Bytes) {
        if path.len() <= MAX_PATH && !path.contains('\0') {
            return self.files.push((path, content));
        }
        let first = || (0, path.chars().filter(|c| !c.is_control()).take(60).collect());
        self.refused.get_or_insert_with(first).0 += 1;
    }

    /// What the user should know of files that were not taken.
    pub(super) fn note(&self) -> Option<String> {
        let (count, first) = self.refused.as_ref()?;
        let files = if *count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        Some(format!("{files} under /output not kept: a path has at most {MAX_PATH} bytes; the first begins {first:?}"))
    }

    pub(super) fn new_state(&self) -> Option<NewState> {
        self.state.clone().map(|value| NewState { value, read: self.read })
    }
}

/// What a file looks like: by its first bytes; text, which has none of its own, by its name. Lists of all names, such as that
/// of `mime_guess`, have types that are not text too: a text called `a.png` would be an image.
pub(super) fn media_type(path: &str, content: &[u8]) -> &'static str {
    if let Some(kind) = infer::get(content) {
        return kind.mime_type();
    }
    if std::str::from_utf8(content).is_err() {
        return "application/octet-stream";
    }
    match path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" | "geojson" => "application/json",
        "md" => "text/markdown",
        "svg" => "image/svg+xml",
        "xml" => "application/xml",
        _ => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn files_are_known_by_their_content_and_then_by_their_names() {
        for (path, content, wanted) in [
            ("chart.txt", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            ("a.csv", b"a,b\n1,2\n", "text/csv"),
            ("A.JSON", b"{}", "application/json"),
            ("notes", "Zeit: 5 µs".as_bytes(), "text/plain"),
            ("a.csv", b"\xff\xfe\xfd", "application/octet-stream"),
            ("empty", b"", "text/plain"),
        ] {
            assert_eq!(media_type(path, content), wanted, "{path}");
        }
    }
}
