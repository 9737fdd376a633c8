//! A stream in which values are replaced without telling anything else: which bytes are held, for how long, and where
//! the stream is cut depends on lengths, lines and times, never on text that resembles a value.

use super::matcher::Matcher;
use super::search::Match;

/// Bytes of a large text that are looked at together.
const TOGETHER: usize = 256 << 10;

/// The state of such a stream.
#[derive(Default)]
pub(super) struct BlindStream {
    held: Vec<u8>,
    /// The bytes of `held` that were sent already. They stay for values that start in them.
    sent: usize,
}

impl BlindStream {
    /// Takes the next bytes of the stream, and sends the bytes that cannot be part of an incomplete value.
    pub(super) fn push(
        &mut self,
        values: &Matcher,
        bytes: &[u8],
        out: &mut Vec<u8>,
        replace: impl FnMut(Match<'_>, &mut Vec<u8>),
    ) {
        if values.is_empty() {
            return out.extend_from_slice(bytes);
        }
        self.held.extend_from_slice(bytes);
        let settled = values.settled(&self.held);
        if settled > 0 {
            let (end, _) = self.send(values, settled, out, replace);
            self.forget(end);
        }
    }

    /// Sends all held bytes because their time is over, but remembers them: when their end is the start of a value, the
    /// rest of the value is still replaced.
    pub(super) fn release(
        &mut self,
        values: &Matcher,
        out: &mut Vec<u8>,
        replace: impl FnMut(Match<'_>, &mut Vec<u8>),
    ) {
        if self.is_holding() {
            let (end, last) = self.send(values, self.held.len(), out, replace);
            self.sent = end;
            self.forget(values.settled(&self.held).max(last));
        }
    }

    /// Sends all held bytes: the stream has ended.
    pub(super) fn end(&mut self, values: &Matcher, out: &mut Vec<u8>, replace: impl FnMut(Match<'_>, &mut Vec<u8>)) {
        let (end, _) = self.send(values, self.held.len(), out, replace);
        self.forget(end);
    }

    /// Returns true when bytes are held that are not sent.
    pub(super) fn is_holding(&self) -> bool {
        self.sent < self.held.len()
    }

    /// Returns the bytes that are kept.
    pub(super) fn size(&self) -> usize {
        self.held.len()
    }

    /// Sends everything before `end`, and a value that starts before it as a whole. Returns the end of what was sent,
    /// and of the last value.
    fn send(
        &self,
        values: &Matcher,
        mut end: usize,
        out: &mut Vec<u8>,
        mut replace: impl FnMut(Match<'_>, &mut Vec<u8>),
    ) -> (usize, usize) {
        let (text, sent) = (&self.held, self.sent);
        let mut at = 0;
        for hit in values.hits(text) {
            let range = hit.range;
            if range.start >= end {
                break;
            }
            out.extend_from_slice(&text[at.max(sent).min(range.start)..range.start]);
            let unsent = range.start.max(sent).min(range.end);
            if unsent < range.end {
                replace(Match { pattern: hit.pattern, rest: &text[unsent..range.end] }, out);
            }
            at = range.end;
            end = end.max(at);
        }
        out.extend_from_slice(&text[at.max(sent).min(end)..end]);
        (end, at)
    }

    fn forget(&mut self, end: usize) {
        self.held.drain(..end);
        self.sent = self.sent.saturating_sub(end);
    }
}

impl Matcher {
    /// A text that is there as a whole: each value goes to `replace`, all else to the output.
    pub(super) fn replace(&self, text: &[u8], out: &mut Vec<u8>, mut replace: impl FnMut(Match<'_>, &mut Vec<u8>)) {
        let mut stream = BlindStream::default();
        for part in text.chunks(TOGETHER) {
            stream.push(self, part, out, &mut replace);
        }
        stream.end(self, out, &mut replace);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;
    use zeroize::Zeroizing;

    fn values(patterns: &[&str]) -> Matcher {
        let patterns: Vec<_> = patterns.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect();
        Matcher::new(&patterns).unwrap()
    }

    fn stars(found: Match<'_>, out: &mut Vec<u8>) {
        found.mask(out);
    }

    /// What happens to a stream, and when.
    #[derive(Clone, Copy)]
    enum Move {
        Bytes(usize),
        Tick,
    }

    fn moves(random: &mut Random, mut length: usize) -> Vec<Move> {
        let mut moves = Vec::new();
        while length > 0 {
            let now = 1 + random.below(length.min(40));
            length -= now;
            moves.push(Move::Bytes(now));
            if random.below(3) == 0 {
                moves.push(Move::Tick);
            }
        }
        moves
    }

    /// What comes out of each move, and of the end.
    fn play(values: &Matcher, moves: &[Move], mut text: &[u8]) -> Vec<Vec<u8>> {
        let mut stream = BlindStream::default();
        let mut outs = Vec::new();
        for one in moves {
            let mut out = Vec::new();
            match one {
                Move::Bytes(length) => {
                    let now = text.split_off(..*length).expect("bytes");
                    stream.push(values, now, &mut out, stars);
                }
                Move::Tick => stream.release(values, &mut out, stars),
            }
            outs.push(out);
        }
        let mut out = Vec::new();
        stream.end(values, &mut out, stars);
        outs.push(out);
        outs
    }

    #[test]
    fn what_comes_when_does_not_depend_on_what_resembles_a_value() {
        let mut random = Random(23);
        for value in ["zq7hunter_TopSecret42", "pass/word+with&signs=1", "two\nlines of it", "café ünd 😀"] {
            let values = values(&[value, "other-secret-value"]);
            for _ in 0..400 {
                // Beginnings of the value, in several escapes, and noise of the same length with the same lines.
                let (mut guess, mut noise) = (Vec::new(), Vec::new());
                for _ in 0..1 + random.below(30) {
                    let letters = value.len() - 1;
                    let part = &value.as_bytes()[..1 + random.below(letters)];
                    let part = match random.below(4) {
                        0 => super::super::encodings::percent(part),
                        1 => super::super::encodings::json(&String::from_utf8_lossy(part)),
                        2 => b"padding and a line\n".to_vec(),
                        _ => part.to_vec(),
                    };
                    noise.extend(part.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b'#' }));
                    guess.extend(part);
                    // What follows makes no value of it.
                    guess.push(b'~');
                    noise.push(b'#');
                }
                assert!(!values.is_in(&guess));
                let moves = moves(&mut random, guess.len());
                let lengths = |outs: &[Vec<u8>]| outs.iter().map(Vec::len).collect::<Vec<_>>();
                let (guessed, random_noise) = (play(&values, &moves, &guess), play(&values, &moves, &noise));
                assert_eq!(lengths(&guessed), lengths(&random_noise), "{}", String::from_utf8_lossy(&guess));
                assert_eq!(guessed.concat(), guess);
            }
        }
    }

    #[test]
    fn a_value_is_replaced_at_every_cut() {
        let value = "pä\"ss/w 0rd+";
        let values = values(&[value]);
        for text in [
            format!("a {value} b {value}{value}"),
            format!("{}\n{value}\n", "x".repeat(500)),
            r#"["p\u00e4\"ss\/w 0rd+"]"#.to_owned(),
            "?q=p%C3%A4%22ss%2Fw+0rd%2B&x".to_owned(),
            "<p>p&auml;</p><p>pä&quot;ss/w 0rd&#43;</p>".to_owned(),
        ] {
            let mut whole = Vec::new();
            values.replace(text.as_bytes(), &mut whole, stars);
            assert_eq!(whole.len(), text.len());
            assert!(whole.contains(&b'*') && !values.is_in(&whole), "{}", String::from_utf8_lossy(&whole));
            for cut in 0..=text.len() {
                let cut = play(&values, &[Move::Bytes(cut), Move::Bytes(text.len() - cut)], text.as_bytes());
                assert_eq!(cut.concat(), whole);
            }
            let bytes = vec![Move::Bytes(1); text.len()];
            assert_eq!(play(&values, &bytes, text.as_bytes()).concat(), whole);
        }
    }

    #[test]
    fn a_released_beginning_still_counts() {
        let values = values(&["secret", "secrets and more"]);
        let (mut stream, mut out) = (BlindStream::default(), Vec::new());
        stream.push(&values, b"a sec", &mut out, stars);
        assert!(out.is_empty() && stream.is_holding());
        stream.release(&values, &mut out, stars);
        stream.release(&values, &mut out, stars);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"a sec".as_slice(), false));
        stream.push(&values, b"ret, secret", &mut out, stars);
        stream.release(&values, &mut out, stars);
        // A value that is complete waits for no longer one.
        assert_eq!(out, b"a sec***, ******");
        stream.push(&values, b"ond", &mut out, stars);
        stream.end(&values, &mut out, stars);
        assert_eq!(out, b"a sec***, ******ond");
    }

    #[test]
    fn lines_pass_at_once_and_long_ones_in_part() {
        let values = values(&["secret-value"]);
        let (mut stream, mut out) = (BlindStream::default(), Vec::new());
        stream.push(&values, b"data: one\n\ndata: t", &mut out, stars);
        assert_eq!(out, b"data: one\n\n");
        out.clear();
        stream.push(&values, &[b'x'; 1000], &mut out, stars);
        assert_eq!(out.len(), 1007 - 64);
        assert_eq!(stream.size(), 64);
    }

    #[test]
    fn without_values_nothing_is_held() {
        let (mut stream, mut out) = (BlindStream::default(), Vec::new());
        stream.push(&values(&[]), b"abc", &mut out, stars);
        assert_eq!((out.as_slice(), stream.is_holding()), (b"abc".as_slice(), false));
    }
}
