//! Texts cut to what a service takes.

/// At most so many characters, the last one `…` when something was cut.
pub(super) fn characters(text: &str, most: usize) -> String {
    cut(text, most, |text| text.chars().count())
}

/// At most so many bytes, the last character `…` when something was cut.
pub(super) fn bytes(text: &str, most: usize) -> String {
    cut(text, most, str::len)
}

/// At most so many UTF-16 units, as Telegram and Discord count.
pub(super) fn units(text: &str, most: usize) -> String {
    cut(text, most, |text| text.encode_utf16().count())
}

fn cut(text: &str, most: usize, size: fn(&str) -> usize) -> String {
    if size(text) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(size("…"));
    let (mut kept, mut used) = (String::new(), 0);
    for character in text.chars() {
        used += size(character.encode_utf8(&mut [0; 4]));
        if used > room {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

/// As many of these lines as fit into so many of `size`; the last one is cut when not all of them do.
pub(super) fn lines(lines: &[String], most: usize, cut_to: fn(&str, usize) -> String) -> String {
    cut_to(&lines.join("\n"), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((characters("价格价格", 4), characters("价格价格", 3)), ("价格价格".into(), "价格…".into()));
        assert_eq!((bytes("价格价格", 12), bytes("价格价格", 11)), ("价格价格".into(), "价格…".into()));
        assert_eq!((units("a😀b", 4), units("a😀b", 3)), ("a😀b".into(), "a…".into()));
        assert_eq!(bytes("long", 0), "…");
    }
}
