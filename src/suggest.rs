//! The word that was meant.

/// The candidate that is most like a word, if any is like it.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(60).flat_map(char::to_lowercase).collect();
    candidates
        .map(|candidate| (distance(&word, &candidate.to_lowercase().chars().collect::<Vec<_>>()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().max(word.len()) / 4)
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be changed, added or taken away (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_like_others_are_found() {
        let near = |word| nearest(word, ["max_instances", "coalesce", "args"].into_iter());
        assert_eq!(near("max_instance"), Some("max_instances"));
        assert_eq!(near("Coalesc"), Some("coalesce"));
        assert_eq!(near("timezone"), None);
    }
}
