//! The word that was meant.

/// The candidate that is most like a word, if any is like it; or the one that begins with the word.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(60).flat_map(char::to_lowercase).collect();
    let length = word.chars().count();
    let candidates: Vec<&str> = candidates.collect();
    let mut longer = candidates.iter().filter(|candidate| candidate.to_lowercase().starts_with(&word));
    let only = (length > 3).then(|| longer.next().copied()).flatten().filter(|_| longer.next().is_none());
    let like = candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= farthest(candidate.chars().count().max(length)))
        .map(|(_, candidate)| candidate);
    like.or(only)
}

/// How many letters of so many can differ in a word that is like another.
fn farthest(length: usize) -> usize {
    if length <= 4 { 1 } else { 1 + length / 4 }
}

/// Other services' words for fields of ours.
const WORDS: &[(&str, &[&str])] = &[
    ("source", &["code", "script", "src", "program", "python", "py", "content", "text", "body", "source_code", "file"]),
    ("args", &["arguments", "params", "parameters", "kwargs", "input", "inputs", "payload", "data"]),
    ("trigger", &["cron", "crontab", "schedule", "interval", "when", "expression", "cron_expression", "every"]),
    ("limits", &["timeout", "memory", "fuel", "cpu", "output", "max_memory", "memory_limit", "time_limit"]),
    ("timezone", &["tz", "zone", "time_zone"]),
    ("labels", &["tags", "label", "metadata"]),
    ("run_at", &["at", "eta", "delay", "start_at", "when", "countdown"]),
    ("from", &["link", "url", "path", "uri", "source_url"]),
    ("env", &["environment", "environ", "vars", "variables"]),
    ("allow", &["hosts", "allow_hosts", "network", "allow_host"]),
];

/// The field of ours, of those that are known here, for another service's word.
pub fn field_of(word: &str, is_known: impl Fn(&str) -> bool) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let (field, _) = WORDS.iter().find(|(field, words)| is_known(field) && words.contains(&&*word))?;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_are_like_others_by_one_letter() {
        let near = |word| nearest(word, ["wait", "tail"].into_iter());
        assert_eq!((near("fail"), near("wiat"), near("wai")), (Some("tail"), Some("wait"), Some("wait")));
        assert_eq!(nearest("fail", ["wait"].into_iter()), None);
        let near = |word| nearest(word, ["misfire_grace_time", "max_instances", "max_delay"].into_iter());
        assert_eq!((near("misfire"), near("max_"), near("mis")), (Some("misfire_grace_time"), None, None));
    }

    #[test]
    fn words_of_other_services_have_their_field() {
        let of = |word, known: &[&str]| field_of(word, |field| known.contains(&field));
        assert_eq!(of("Timeout", &["limits", "timezone"]), Some("limits"));
        assert_eq!(of("timeout", &["timezone"]), None);
    }

    #[test]
    fn words_that_are_like_others_are_found() {
        let near = |word| nearest(word, ["max_instances", "coalesce", "args"].into_iter());
        assert_eq!(near("max_instance"), Some("max_instances"));
        assert_eq!(near("Coalesc"), Some("coalesce"));
        assert_eq!(near("agrs"), Some("args"), "two letters in the wrong order are one mistake");
        assert_eq!(near("timezone"), None);
    }
}
