//! The text of a Python source, by the rules that Python has for it (PEP 263).

use encoding_rs::{Encoding, UTF_8};
use std::borrow::Cow;

/// The source as text. Python's rule: a byte order mark means UTF-8; a coding line in one of the first two lines names the
/// encoding; without both it is UTF-8. What cannot be decoded is replaced by U+FFFD.
pub fn text_of(source: &[u8]) -> Cow<'_, str> {
    if let Some(rest) = source.strip_prefix(b"\xef\xbb\xbf") {
        return String::from_utf8_lossy(rest);
    }
    match declared(source) {
        Some(encoding) => encoding.decode_without_bom_handling(source).0,
        None => String::from_utf8_lossy(source),
    }
}

/// The encoding that a coding line names, when it is one that is known and not UTF-8.
fn declared(source: &[u8]) -> Option<&'static Encoding> {
    for line in source.split(|byte| *byte == b'\n').take(2) {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if !line.is_empty() && !line.starts_with(b"#") {
            // A second line counts only after a comment or an empty line.
            return None;
        }
        if let Some(name) = name_in(line) {
            return encoding_of(name).filter(|encoding| *encoding != UTF_8);
        }
    }
    None
}

/// `gbk` out of `# -*- coding: gbk -*-`.
fn name_in(comment: &[u8]) -> Option<&str> {
    let comment = std::str::from_utf8(comment.split(|byte| !byte.is_ascii()).next()?).ok()?;
    let (_, rest) = comment.split_once("coding")?;
    let rest = rest.strip_prefix([':', '='])?.trim_start_matches([' ', '\t']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

/// An encoding by one of the names that Python has for it.
fn encoding_of(name: &str) -> Option<&'static Encoding> {
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let other = match &*plain {
        "cp936" | "936" | "ms936" | "hz" => "gbk",
        "cp950" | "950" => "big5",
        "cp932" | "932" | "mskanji" | "ms-kanji" | "s-jis" => "shift_jis",
        "cp949" | "949" | "uhc" => "euc-kr",
        "latin-1" | "8859" | "cp819" | "l1" => "iso-8859-1",
        other => other,
    };
    let windows = other.strip_prefix("cp").map(|number| format!("windows-{number}"));
    Encoding::for_label(other.as_bytes())
        .or_else(|| Encoding::for_label(other.replace('-', "").as_bytes()))
        .or_else(|| Encoding::for_label(windows?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coding_lines_are_followed_as_python_does() {
        let gbk = b"\xc7\xa9\xb5\xbd";
        let with = |head: &str| text_of(&[head.as_bytes(), b"\n# ", gbk].concat()).into_owned();
        for head in [
            "# -*- coding: gbk -*-",
            "#!/usr/bin/env python3\n# coding=GBK",
            "\n# vim: set fileencoding=gb2312 :",
            "# coding: cp936",
            "# coding:gb18030\r",
        ] {
            assert!(with(head).ends_with("签到"), "{head:?}: {}", with(head));
        }
        for head in ["import os\n# coding: gbk", "x = 'coding: gbk'", "#\n#\n# coding: gbk", "# encoding gbk"] {
            assert!(with(head).contains('\u{fffd}'), "{head:?}");
        }
        assert_eq!(text_of(b"# coding: latin-1\n# \xe9"), "# coding: latin-1\n# é");
        assert_eq!(text_of(b"# coding: no-such\n# \xc3\xa9"), "# coding: no-such\n# é");
        assert_eq!(text_of(b"\xef\xbb\xbf# x"), "# x");
        assert_eq!(text_of(b"# coding: cp1252\n\x80"), "# coding: cp1252\n€");
    }
}
