//! Where in a metadata block something stands.

/// The line of a block, from 1 on, where a key has its value.
pub(super) fn line_of_key(block: &str, key: &str) -> Option<usize> {
    let is_set = |text: &str| after_key(text, key).is_some_and(|rest| rest.starts_with(['=', '.']));
    let begins_table = |line: &str| {
        let name = line.trim().trim_start_matches('[').split(']').next().unwrap_or_default();
        line.trim().starts_with('[') && name.trim().rsplit('.').next().is_some_and(|last| last.trim() == key)
    };
    let begins = |line: &str| is_set(line) || begins_table(line);
    let inside = |line: &str| line.split(['{', ',', '.']).skip(1).any(is_set);
    let place = block.lines().position(begins).or_else(|| block.lines().position(inside));
    place.map(|line| line + 1)
}

/// The line of a block, from 1 on, where the schedule of this number, from 0 on, has its value of a field; where it begins
/// when it has none. The key `schedule` comes before the list, as in [`super::read`].
pub(super) fn line_of_schedule(block: &str, number: usize, field: &str) -> Option<usize> {
    let own = block.lines().position(|line| sets(line, "schedule"));
    let in_list = match (own, number) {
        (Some(line), 0) => return Some(line + 1),
        (Some(_), number) => number - 1,
        (None, number) => number,
    };
    let lines: Vec<&str> = block.lines().collect();
    let mut heads = lines.iter().enumerate().filter(|(_, line)| is_head(line)).map(|(at, _)| at);
    let Some(head) = heads.nth(in_list) else { return line_of_key(block, "schedules") };
    let body = lines.get(head + 1..).unwrap_or_default();
    // Tables below the schedule's own belong to it.
    let ends = |line: &&str| line.trim_start().starts_with('[') && !is_below(line);
    let end = body.iter().position(ends).unwrap_or(body.len());
    let inside = line_of_key(&body.get(..end).unwrap_or_default().join("\n"), field);
    Some(head + 1 + inside.unwrap_or(0))
}

/// What comes after a key, quoted or not, at the beginning of a text.
fn after_key<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let rest = text.trim_start().trim_start_matches(['"', '\'']).strip_prefix(key)?;
    Some(rest.trim_start_matches(['"', '\'']).trim_start())
}

/// Whether a line is `KEY = …`.
fn sets(line: &str, key: &str) -> bool {
    after_key(line, key).is_some_and(|rest| rest.starts_with('='))
}

/// The name of the table that a line begins, without blanks: `tool.cronbox.schedules`.
fn table_of(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix('[')?.trim_start_matches('[').split(']').next()?;
    Some(name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect())
}

/// Whether a line is `[[tool.cronbox.schedules]]`.
fn is_head(line: &str) -> bool {
    line.trim().starts_with("[[") && table_of(line).is_some_and(|name| name == "tool.cronbox.schedules")
}

/// Whether a line begins a table of a schedule, such as `[tool.cronbox.schedules.args]`.
fn is_below(line: &str) -> bool {
    table_of(line).is_some_and(|name| name.starts_with("tool.cronbox.schedules."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_schedule_is_found() {
        let block = "[tool.cronbox]\nschedule = \"0 9 * * *\"\n[[tool.cronbox.schedules]]\ntrigger = \"every 5m\"\n\
                     [ [ x ] ]\n[[ tool . cronbox . schedules ]]\ntrigger = \"every 1h\"\nmax_instances = 2\n\
                     [tool.cronbox.schedules.args]\nn = 1\n[tool.other]\ntitle = 1\n";
        let line = |number, field| line_of_schedule(block, number, field);
        assert_eq!((line(0, "trigger"), line(1, "trigger"), line(2, "trigger")), (Some(2), Some(4), Some(7)));
        assert_eq!((line(2, "max_instances"), line(2, "args"), line(2, "title")), (Some(8), Some(9), Some(6)));
        let inline = "tool.cronbox.schedules = [{trigger = \"every 5m\"}, {trigger = 1}]\n";
        assert_eq!(line_of_schedule(inline, 1, "trigger"), Some(1));
    }
}
