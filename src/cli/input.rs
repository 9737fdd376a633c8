//! The standard input of a run on this machine: a file, or what is piped into the command.

use crate::stdin::{self, MAX_STDIN, PART};
use rustix::fs::FileType;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Most bytes that are read to be sent; the server refuses one more than it takes with its own sentence.
const MOST: u64 = MAX_STDIN as u64 + 1;

/// Where a script's input comes from. Without a source the script is told so when it reads.
#[derive(Clone, Default)]
pub(super) struct Input {
    source: Option<Arc<Mutex<Source>>>,
}

struct Source {
    reader: Box<dyn Read + Send>,
    /// Bytes that were read.
    at: u64,
}

/// The file, or standard input where it is called `-`.
fn opened(file: &Path) -> std::io::Result<Box<dyn Read + Send>> {
    Ok(if file == Path::new("-") { Box::new(std::io::stdin()) } else { Box::new(std::fs::File::open(file)?) })
}

impl Input {
    /// The file, or what is piped into this command. A terminal is not read: a script has none, here as on a server.
    /// `taken`: standard input was the script itself.
    pub(super) fn open(file: Option<&Path>, taken: bool) -> std::io::Result<Self> {
        let reader = match file {
            Some(file) => opened(file)?,
            None if taken || std::io::stdin().is_terminal() => return Ok(Input::default()),
            None => Box::new(std::io::stdin()),
        };
        Ok(Input { source: Some(Arc::new(Mutex::new(Source { reader, at: 0 }))) })
    }

    /// The next part, as the script's question is answered. It waits as long as the other end of a pipe does.
    pub(super) async fn answer(self, request: String) -> Result<String, String> {
        let Some(source) = self.source else { return Ok(stdin::nothing()) };
        let offset = stdin::offset_in(&request)?;
        let read =
            tokio::task::spawn_blocking(move || source.lock().unwrap_or_else(PoisonError::into_inner).part(offset));
        read.await.map_err(|error| error.to_string())?
    }
}

/// All of the input of a run on a server, which is sent with the request: the file, or one that the shell opened for this
/// command (`< data.csv`). What comes through a pipe is taken only where `-` asks for it, because it may never end.
pub(super) fn whole(file: Option<&Path>, taken: bool) -> std::io::Result<Option<Vec<u8>>> {
    let reader = match file {
        Some(file) => opened(file)?,
        None => {
            let stdin = std::io::stdin();
            let redirected = rustix::fs::fstat(&stdin).map(|found| FileType::from_raw_mode(found.st_mode));
            if taken || redirected != Ok(FileType::RegularFile) {
                return Ok(None);
            }
            Box::new(stdin)
        }
    };
    let mut bytes = Vec::new();
    reader.take(MOST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

impl Source {
    fn part(&mut self, offset: u64) -> Result<String, String> {
        if offset != self.at {
            return Err("standard input can be read only once".into());
        }
        let mut part = vec![0; PART];
        let size = loop {
            match self.reader.read(&mut part) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("standard input cannot be read: {error}")),
                Ok(size) => break size,
            }
        };
        self.at += size as u64;
        Ok(stdin::answer(&part[..size], size == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(content: &'static [u8]) -> Input {
        Input { source: Some(Arc::new(Mutex::new(Source { reader: Box::new(content), at: 0 }))) }
    }

    #[tokio::test]
    async fn it_is_read_part_by_part_and_once() {
        let input = source(b"1,2\n");
        let first = input.clone().answer(r#"{"offset": 0}"#.into()).await;
        assert_eq!(first.as_deref(), Ok(r#"{"data":"MSwyCg==","end":false}"#));
        let last = input.clone().answer(r#"{"offset": 4}"#.into()).await;
        assert_eq!(last.as_deref(), Ok(r#"{"data":"","end":true}"#));
        assert!(input.answer(r#"{"offset": 0}"#.into()).await.is_err());
        assert_eq!(Input::default().answer("{}".into()).await.as_deref(), Ok("null"));
    }
}
