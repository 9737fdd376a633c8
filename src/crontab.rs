//! A crontab read as its lines were meant: which of them run a Python file, when, where, and with what. Nothing is guessed:
//! a line that is not understood to its end is told with the reason.

use crate::quantity;
use crate::script::Name;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables of a crontab that are cron's own, or mean nothing in a sandbox.
const NOT_PASSED: &[&str] = &[
    "PATH",
    "SHELL",
    "HOME",
    "MAILTO",
    "MAILFROM",
    "LOGNAME",
    "USER",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
];

/// What a crontab holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crontab {
    /// Lines that run a Python file.
    pub jobs: Vec<Job>,
    /// The other ones that run anything.
    pub others: Vec<Other>,
}

/// A line that runs a Python file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Counted from 1.
    pub line: usize,
    /// Five fields, or `@daily`.
    pub when: String,
    /// The zone that the crontab names for it.
    pub timezone: Option<String>,
    /// The file.
    pub file: PathBuf,
    /// `sys.argv[1:]`.
    pub argv: Vec<String>,
    /// What the crontab and the line set.
    pub env: BTreeMap<String, String>,
    /// How long it may take, as `timeout` writes it.
    pub timeout: Option<String>,
    /// What it says that has no effect here.
    pub notes: Vec<String>,
}

/// A line that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Counted from 1.
    pub line: usize,
    /// As it stands there.
    pub text: String,
    /// A sentence.
    pub why: String,
}

impl Job {
    /// A name that stays the same as long as the line means the same: the script's, and a part of a hash.
    pub fn id(&self, script: &str) -> String {
        let said = format!("{:?}", (&self.when, &self.timezone, &self.argv, &self.timeout));
        let hash = hex::encode(Sha256::digest(said.as_bytes()));
        Name::with_ending(script, &hash[..6])
    }
}

/// Reads a crontab of a user's. `folder` is where its commands begin: the user's home.
pub fn read(text: &str, folder: &Path) -> Crontab {
    let mut found = Crontab::default();
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = assignment(line) {
            env.insert(name, value);
            continue;
        }
        match job(line, folder, &env) {
            Ok(job) => found.jobs.push(Job { line: number, ..job }),
            Err(why) => found.others.push(Other { line: number, text: line.into(), why }),
        }
    }
    found
}

/// `NAME = value`, as crontab(5) has it: quotes around the value are taken away.
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some((name.into(), quoted.unwrap_or(value).into()))
}

fn job(line: &str, folder: &Path, env: &BTreeMap<String, String>) -> Result<Job, String> {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    let mut when = Vec::new();
    for _ in 0..fields {
        let end = rest.find(char::is_whitespace).ok_or("there is no command in it")?;
        when.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    if when[0] == "@reboot" {
        return Err("@reboot is no time: start it by hand, or on a schedule".into());
    }
    let words = words(rest)?;
    let mut command = Command { folder: folder.to_owned(), env: env.clone(), timeout: None, lock: None };
    let (file, argv) = command.read(&words)?;
    // As in cron itself: TZ is for the command's local time, CRON_TZ alone is for when it starts.
    let timezone = command.env.get("CRON_TZ").cloned();
    let mut notes = Vec::new();
    if let Some(zone) = command.env.get("TZ") {
        notes.push(format!(
            "TZ={zone} has no effect on when the line starts, which CRON_TZ or --timezone say; it is passed on, and the \
             script's local time follows it"
        ));
    }
    if let Some(lock) = command.lock {
        notes.push(format!(
            "flock {lock} has no effect: a schedule starts no run while one of its runs is under way, but other schedules do \
             not wait for it"
        ));
    }
    let env =
        command.env.into_iter().filter(|(name, _)| !NOT_PASSED.contains(&name.as_str()) && name.as_str() != "CRON_TZ");
    Ok(Job { line: 0, when: when.join(" "), timezone, file, argv, env: env.collect(), timeout: command.timeout, notes })
}

/// A word of a command, or what stands between commands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Plain(String),
    /// `&&`
    And,
    /// `>`, `2>>`, `<`: what comes next is a file.
    Redirect,
}

/// Words as a shell splits them. What a shell would compute is refused.
fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    let not = |what: &str| format!("its command has {what}, which only a shell can carry out");
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take().map(Word::Plain)),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("its command has a quote without an end".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => word.extend(chars.next()),
                        Some('$') => return Err(not("a variable ($)")),
                        Some('`') => return Err(not("another command in it (`)")),
                        Some(c) => word.push(c),
                        None => return Err("its command has a quote without an end".into()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '%' => return Err("its command has a %, which cron takes for a line break".into()),
            '$' => return Err(not("a variable ($)")),
            '`' => return Err(not("another command in it (`)")),
            '*' | '?' | '[' | '{' | '~' if word.is_none() || c != '~' => return Err(not("a pattern of file names")),
            '|' => return Err(not("a pipe or a choice (|)")),
            ';' => return Err(not("several commands (;)")),
            '(' | ')' => return Err(not("a command in parentheses")),
            '&' => {
                words.extend(word.take().map(Word::Plain));
                match chars.peek() {
                    Some('&') => {
                        chars.next();
                        words.push(Word::And);
                    }
                    Some('>') => {
                        chars.next();
                        chars.next_if_eq(&'>');
                        words.push(Word::Redirect);
                    }
                    _ => return Err(not("a command in the background (&)")),
                }
            }
            '>' | '<' => {
                // A number right before it is a descriptor, and no word.
                match word.take() {
                    Some(number) if number.chars().all(|c| c.is_ascii_digit()) => {}
                    other => words.extend(other.map(Word::Plain)),
                }
                chars.next_if_eq(&'>');
                if chars.next_if_eq(&'&').is_some() {
                    // 2>&1: the number after it belongs to it.
                    while chars.next_if(char::is_ascii_digit).is_some() {}
                } else {
                    words.push(Word::Redirect);
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(Word::Plain));
    Ok(words)
}

struct Command {
    folder: PathBuf,
    env: BTreeMap<String, String>,
    timeout: Option<String>,
    /// The file of `flock`.
    lock: Option<String>,
}

impl Command {
    /// The Python file that is run, and its words.
    fn read(&mut self, words: &[Word]) -> Result<(PathBuf, Vec<String>), String> {
        let mut parts: Vec<Vec<String>> = vec![Vec::new()];
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match (word, parts.last_mut()) {
                (Word::Plain(word), Some(part)) => part.push(word.clone()),
                (Word::And, _) => parts.push(Vec::new()),
                (Word::Redirect, _) if matches!(words.next(), Some(Word::Plain(_))) => {}
                _ => return Err("its command ends with a redirection to nowhere".into()),
            }
        }
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            match part.as_slice() {
                [cd, folder] if cd == "cd" => self.folder = self.folder.join(folder),
                _ => return Err("it runs several commands; only cd may stand before &&".into()),
            }
        }
        self.run(&last)
    }

    /// Skips the words before the file (`env`, `nice`, `timeout`, `flock`, `uv run`, variables) in a loop: there can be very many.
    fn run(&mut self, mut words: &[String]) -> Result<(PathBuf, Vec<String>), String> {
        loop {
            let Some((first, rest)) = words.split_first() else { return Err("there is no command in it".into()) };
            if let Some((name, value)) = assignment(first) {
                self.env.insert(name, value);
                words = rest;
                continue;
            }
            let name = first.rsplit('/').next().unwrap_or_default();
            words = match name {
                "env" => match rest.first() {
                    Some(option) if option.starts_with('-') => return Err(format!("env {option} is not understood")),
                    _ => rest,
                },
                "nice" | "ionice" => {
                    let mut at = 0;
                    while let Some(word) = rest.get(at).filter(|word| word.starts_with('-')) {
                        // The option's value is the next word, unless it is part of this one.
                        at +=
                            if word.len() == 2 && !word[1..].starts_with(|c: char| c.is_ascii_digit()) { 2 } else { 1 };
                    }
                    rest.get(at..).unwrap_or_default()
                }
                "timeout" => {
                    let mut at = 0;
                    while let Some(word) = rest.get(at).filter(|word| word.starts_with('-')) {
                        at += if matches!(word.as_str(), "-k" | "-s") { 2 } else { 1 };
                    }
                    let time = rest.get(at).ok_or("its command has timeout without a time")?.clone();
                    quantity::parse_duration(&time).map_err(|why| format!("timeout {time}: {why}"))?;
                    self.timeout = Some(time);
                    rest.get(at + 1..).unwrap_or_default()
                }
                "flock" => self.flock(rest)?,
                "uv" => self.uv(rest)?,
                _ if is_python(name) => return self.python(rest),
                _ if name.ends_with(".py") => return Ok((self.folder.join(first), rest.to_vec())),
                _ => return Err(format!("{name} is no Python file")),
            };
        }
    }

    /// Returns the command that `flock` runs.
    fn flock<'a>(&mut self, words: &'a [String]) -> Result<&'a [String], String> {
        let mut at = 0;
        while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
            at += match word.as_str() {
                "-w" | "--wait" | "--timeout" | "-E" | "--conflict-exit-code" => 2,
                "-n" | "--nb" | "--nonblock" | "-x" | "-e" | "--exclusive" | "-F" | "--no-fork" | "-o" | "--close" => 1,
                long if long.starts_with("--wait=") || long.starts_with("--timeout=") => 1,
                other => return Err(format!("flock {other} is not understood")),
            };
        }
        let file = words.get(at).ok_or("its command has flock without a file")?;
        let command = words.get(at + 1..).unwrap_or_default();
        if let Some(option @ ("-c" | "--command")) = command.first().map(String::as_str) {
            return Err(format!("flock {option} runs a shell: write the command itself after the file of flock"));
        }
        self.lock = Some(file.clone());
        Ok(command)
    }

    /// Returns what `uv run` runs. What it would install is in the script's own block.
    fn uv<'a>(&mut self, words: &'a [String]) -> Result<&'a [String], String> {
        let mut at = 0;
        let mut is_run = false;
        while let Some(word) = words.get(at) {
            at += match word.as_str() {
                "run" if !is_run => {
                    is_run = true;
                    1
                }
                "-q" | "--quiet" | "-n" | "--no-cache" | "--offline" | "--no-config" | "--no-progress" | "-s"
                | "--script" | "--no-project" | "--isolated" | "--frozen" | "--locked" | "--no-sync" | "--no-dev" => 1,
                "-p" | "--python" => 2,
                "--directory" => {
                    let folder = words.get(at + 1).ok_or("its command has uv --directory without a directory")?;
                    self.folder = self.folder.join(folder);
                    2
                }
                "--with" | "--with-requirements" => {
                    return Err(format!(
                        "uv {word} is not taken: write the packages into the script's block (dependencies)"
                    ));
                }
                option if option.starts_with('-') => return Err(format!("uv {option} is not understood")),
                _ if is_run => break,
                other => return Err(format!("uv {other} runs no Python file")),
            };
        }
        Ok(words.get(at..).unwrap_or_default())
    }

    /// Returns the file that a Python interpreter runs, and the arguments of the file.
    fn python(&self, words: &[String]) -> Result<(PathBuf, Vec<String>), String> {
        let mut at = 0;
        while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
            match word.as_str() {
                "-c" | "-m" => return Err(format!("it runs python {word}, and no file")),
                "-W" | "-X" => at += 2,
                _ => at += 1,
            }
        }
        match words.get(at) {
            Some(file) => Ok((self.folder.join(file), words[at + 1..].to_vec())),
            None => Err("it runs python without a file".into()),
        }
    }
}

/// `python`, `python3`, `python3.12`, `pypy3`.
fn is_python(name: &str) -> bool {
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Crontab {
        read(text, Path::new("/home/ann"))
    }

    fn job(text: &str) -> Job {
        let found = of(text);
        assert!(found.others.is_empty(), "{found:?}");
        found.jobs.into_iter().next().expect("a job")
    }

    #[test]
    fn python_files_are_found_behind_what_stands_before_them() {
        for command in [
            "/srv/jobs/price.py --symbol INIT 'a b'",
            "python3 /srv/jobs/price.py --symbol INIT 'a b'",
            "/usr/bin/python3.12 -u /srv/jobs/price.py --symbol INIT \"a b\" >> /var/log/x.log 2>&1",
            "cd /srv/jobs && ./venv/bin/python price.py --symbol INIT a\\ b > /dev/null",
            "cd /srv && cd jobs && nice -n 10 python price.py --symbol INIT 'a b' &> /dev/null",
            "nice -10 env python3 -W ignore /srv/jobs/price.py --symbol INIT 'a b' 2>/dev/null",
        ] {
            let job = job(&format!("0 9 * * 1-5 {command}"));
            assert_eq!(job.file, Path::new("/srv/jobs/price.py"), "{command}");
            assert_eq!(job.argv, ["--symbol", "INIT", "a b"], "{command}");
            assert_eq!((job.when.as_str(), job.line), ("0 9 * * 1-5", 1));
        }
        let job = job("@daily timeout -k 5 10m API=x MODE=y python3 bin/x.py");
        assert_eq!((job.when.as_str(), job.timeout.as_deref()), ("@daily", Some("10m")));
        assert_eq!(job.file, Path::new("/home/ann/bin/x.py"));
        assert_eq!(job.env, BTreeMap::from([("API".into(), "x".into()), ("MODE".into(), "y".into())]));
    }

    #[test]
    fn flock_and_uv_stand_before_a_file() {
        for (command, notes) in [
            ("flock -n /tmp/x.lock python3 /srv/jobs/price.py a", 1),
            ("/usr/bin/flock -w 5 -x /tmp/x.lock /srv/jobs/price.py a", 1),
            ("uv run /srv/jobs/price.py a", 0),
            ("cd /srv/jobs && /home/ann/.local/bin/uv run -q --script price.py a >> x.log 2>&1", 0),
            ("uv --directory /srv/jobs run --python 3.14 python -u price.py a", 0),
            ("timeout 5m flock --nonblock /tmp/x.lock uv run /srv/jobs/price.py a", 1),
        ] {
            let job = job(&format!("0 9 * * * {command}"));
            assert_eq!(
                (job.file.as_path(), job.argv.as_slice()),
                (Path::new("/srv/jobs/price.py"), &["a".to_owned()][..])
            );
            assert_eq!(job.notes.len(), notes, "{command}: {:?}", job.notes);
        }
    }

    #[test]
    fn variables_hold_for_the_lines_below() {
        let text = "MAILTO=ann\nCRON_TZ = Asia/Shanghai\nKEY=\"a b\"\n# a comment\n\n0 9 * * * python3 /a.py\nTZ=UTC\nCRON_TZ=UTC\n0 9 * * * python3 /b.py\n";
        let found = of(text);
        let zones: Vec<_> = found.jobs.iter().map(|job| (job.line, job.timezone.as_deref())).collect();
        assert_eq!(zones, [(6, Some("Asia/Shanghai")), (9, Some("UTC"))]);
        assert_eq!(found.jobs[0].env, BTreeMap::from([("KEY".into(), "a b".into())]));
        assert_ne!(found.jobs[0].id("a"), found.jobs[1].id("a"));
        assert_eq!(found.jobs[0].id("a"), of(text).jobs[0].id("a"));
    }

    #[test]
    fn every_other_line_says_why() {
        for (line, why) in [
            ("* * * * * /usr/bin/backup.sh", "no Python file"),
            ("* * * * * python3 a.py | mail ann", "pipe"),
            ("* * * * * python3 a.py; rm x", "several commands"),
            ("* * * * * python3 a.py || true", "pipe or a choice"),
            ("* * * * * python3 -c 'print(1)'", "python -c"),
            ("* * * * * python3 -m mod", "python -m"),
            ("* * * * * python3", "without a file"),
            ("* * * * * python3 $HOME/a.py", "variable"),
            ("* * * * * python3 a.py `date`", "another command"),
            ("* * * * * python3 a.py $(date)", "variable"),
            ("* * * * * python3 a.py +%Y", "line break"),
            ("* * * * * python3 a.py &", "background"),
            ("* * * * * python3 *.py", "pattern"),
            ("* * * * * make && python3 a.py", "only cd"),
            ("@reboot python3 a.py", "@reboot"),
            ("* * * * *", "no command"),
            ("* * * * * python3 'a.py", "quote"),
            ("* * * * * env -i python3 a.py", "env -i"),
            ("* * * * * flock -n", "without a file"),
            ("* * * * * flock -n /tmp/x", "no command"),
            ("* * * * * flock -u /tmp/x python3 a.py", "flock -u"),
            ("* * * * * flock /tmp/x -c 'python3 a.py'", "runs a shell"),
            ("* * * * * flock /tmp/x python3 a.py; rm /tmp/x", "several commands"),
            ("* * * * * uv", "no command"),
            ("* * * * * uv sync", "uv sync"),
            ("* * * * * uv run --with requests a.py", "dependencies"),
            ("* * * * * uv run -m mod", "uv -m"),
            ("* * * * * uv run pytest", "no Python file"),
        ] {
            let found = of(line);
            assert!(found.jobs.is_empty(), "{line}: {found:?}");
            assert!(found.others[0].why.contains(why), "{line}: {}", found.others[0].why);
        }
    }

    #[test]
    fn a_command_of_many_words_is_read() {
        let found = job(&format!("0 9 * * * {}{}python3 x.py", "A=1 ".repeat(100_000), "env ".repeat(100_000)));
        assert_eq!(found.file, Path::new("/home/ann/x.py"));
    }
}
