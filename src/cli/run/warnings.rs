//! What a push would say about a script's metadata, said where the script is run.

use crate::cli::complain;
use crate::clock::{Clock, Time};
use crate::metadata::Metadata;
use crate::schedule::Origin;
use crate::schedule::request::{self, BadSchedule, ReadContext};
use crate::script::Name;

/// Says it on standard error. The run goes on: it needs no schedule.
pub(super) fn tell(metadata: &Metadata, name: &Name) {
    for line in lines(metadata, name, Clock::system().now()) {
        complain(&format!("warning: {line}"));
    }
}

fn lines(metadata: &Metadata, name: &Name, now: Time) -> Vec<String> {
    let said = metadata.warnings.iter().map(|one| format!("line {}: {} ({})", one.line, one.message, one.code));
    let timezone = metadata.cronbox.timezone.as_deref().unwrap_or("UTC");
    let context = ReadContext { timezone, now, origin: Origin::Metadata, existing: None, jitter: 0.5 };
    let refused = metadata.schedules.iter().enumerate().filter_map(|(number, asked)| {
        // A push has ids and upstreams of its own to check.
        let mut asked = asked.clone();
        asked.remove("id");
        let bad = request::read(&asked, name, name.key(), &context).err()?;
        let line = metadata.line_of_schedule(number, &bad.field);
        Some(BadSchedule { line, ..bad })
    });
    let refused = refused.map(|bad| format!("a push refuses the schedule of this script ({}): {bad}", bad.code));
    said.chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    /// A block that is not read, a setting that does not exist, and a schedule that cannot be.
    #[test]
    fn what_a_push_warns_of_is_told_before_a_run() {
        let told = |source: &str| {
            let name = Name::parse("price").expect("a name");
            lines(&metadata::read(source.as_bytes()).expect("reads"), &name, Time::UNIX_EPOCH)
        };
        let block = |line: &str| format!("# /// script\n# [tool.cronbox]\n# {line}\n# ///\n");
        for (source, part) in [
            ("#/// script\n# ///\n".to_owned(), "(block_not_read)"),
            ("# /// script \n# ///\n".to_owned(), "(block_not_read)"),
            ("# /// script\n# x = 1\n".to_owned(), "(block_not_closed)"),
            (block("shedule = \"0 9 * * *\""), "did you mean schedule? (unknown_setting)"),
            (block("schedule = \"0 9 * *\""), "a push refuses the schedule of this script (bad_trigger): line 3: "),
        ] {
            let lines = told(&source);
            assert!(lines.len() == 1 && lines[0].contains(part), "{source}: {lines:?}");
        }
        assert_eq!(told(&block("schedule = \"0 9 * * 1-5 @ Asia/Shanghai\"")), Vec::<String>::new());
    }
}
