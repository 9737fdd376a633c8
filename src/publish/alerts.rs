//! The alerts of a script's own block.

use super::KeepError;
use crate::alert::{About, Condition, Failing, MAX_NOTIFY, MAX_OWN, NewAlert, REPEAT};
use crate::metadata::{BadBlock, Metadata};
use crate::script::Name;
use std::collections::BTreeSet;

/// The alerts that the block of a script asks for. `recovered` beside `failed` is what `failed` does by itself.
pub(super) fn alerts_of(script: &Name, metadata: &Metadata) -> Result<Vec<NewAlert>, KeepError> {
    let bad = |key: &str, message: String| {
        let (line, field) = (metadata.line_of(key), Some(key.to_owned()));
        KeepError::Metadata(BadBlock { message, line, field })
    };
    if metadata.alerts.len() > MAX_OWN {
        return Err(bad("alerts", format!("a script has at most {MAX_OWN} alerts of its own")));
    }
    let channels: BTreeSet<&String> = metadata.notify.iter().collect();
    if metadata.notify.len() > MAX_NOTIFY || channels.len() < metadata.notify.len() {
        return Err(bad("notify", format!("an alert tells at most {MAX_NOTIFY} channels, each once")));
    }
    let mut conditions: Vec<Condition> = Vec::new();
    for text in &metadata.alerts {
        let condition: Condition = text.parse().map_err(|error| bad("alerts", format!("alerts: {text:?}: {error}")))?;
        if conditions.contains(&condition) {
            return Err(bad("alerts", format!("alerts: {text:?} is there twice")));
        }
        conditions.push(condition);
    }
    let says_recovered = conditions.iter().any(|one| matches!(one, Condition::Failed(Failing::InARow(1))));
    let new = |condition| NewAlert {
        about: About::Script(script.clone()),
        condition,
        notify: metadata.notify.clone(),
        repeat: Some(REPEAT),
        recovered: true,
    };
    let is_own = |condition: &Condition| !(says_recovered && *condition == Condition::Recovered);
    Ok(conditions.into_iter().filter(is_own).map(new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Vec<NewAlert>, String> {
        let source = format!("import os\n# /// script\n# [tool.cronbox]\n{lines}# ///\n");
        let metadata = crate::metadata::read(source.as_bytes()).map_err(|error| error.to_string())?;
        alerts_of(&Name::parse("Price").expect("a name"), &metadata).map_err(|error| error.to_string())
    }

    fn conditions(lines: &str) -> Vec<String> {
        read(lines).expect(lines).iter().map(|alert| alert.condition.to_string()).collect()
    }

    #[test]
    fn the_alerts_of_a_block_are_about_its_script() {
        let alerts = read("# alerts = [\"failed\", \"/price changed 5%\"]\n# notify = [\"ops\"]\n").expect("reads");
        assert_eq!((alerts.len(), alerts[1].about.key().as_str()), (2, "script:price"));
        assert_eq!((alerts[0].notify.as_slice(), alerts[0].recovered), (&["ops".to_owned()][..], true));
        assert_eq!(conditions("# alerts = [\"failed\", \"recovered\"]\n"), ["failed"]);
        assert_eq!(conditions("# alerts = [\"recovered\", \"late 5m\"]\n"), ["recovered", "late 5m"]);
        assert_eq!(conditions(""), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (lines, said) in [
            (
                "# alerts = [\"faild\"]\n",
                "line 4: alerts: \"faild\": there is no condition \"faild\"; did you mean failed?",
            ),
            (
                "# title = \"T\"\n# alerts = [\"late\"]\n",
                "line 5: alerts: \"late\": expected a time such as 5m or 1h30m, found the end (at character 4)",
            ),
            ("# alerts = [\"late 60s\", \"late 1m\"]\n", "line 4: alerts: \"late 1m\" is there twice"),
            (
                "# alerts = \"failed\"\n",
                "line 4: alerts is a list, and not \"failed\": write alerts = [\"failed\", \"late 5m\"]",
            ),
            ("# notify = [\"a\", \"a\"]\n", "line 4: an alert tells at most 20 channels, each once"),
        ] {
            assert_eq!(read(lines).expect_err(lines), said);
        }
    }
}
