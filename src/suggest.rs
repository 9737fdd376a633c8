//! The word that was meant.

/// The candidate that is most like a word, if any is like it.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(60).flat_map(char::to_lowercase).collect();
    let length = word.chars().count();
    candidates
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().max(length) / 4)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_like_others_are_found() {
        let near = |word| nearest(word, ["max_instances", "coalesce", "args"].into_iter());
        assert_eq!(near("max_instance"), Some("max_instances"));
        assert_eq!(near("Coalesc"), Some("coalesce"));
        assert_eq!(near("agrs"), Some("args"), "two letters in the wrong order are one mistake");
        assert_eq!(near("timezone"), None);
    }
}
