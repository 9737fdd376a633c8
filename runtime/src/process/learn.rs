//! Finding out which pages of the image most runs write.
//!
//! Which pages a run writes depends on the words of its script: names are kept in one large table, whose place for a name
//! depends on its hash. So runs of many scripts with different words are observed, once for each interpreter; the node
//! keeps what was found beside the image.

use super::{ProcessError, run_here};
use crate::frame;
use crate::memory::Slots;
use crate::sandbox::Interpreter;

/// Scripts that are run. With 400, a script whose words were never seen before writes no page beyond those found.
const SCRIPTS: usize = 400;
/// A page that so many of them wrote is one that most runs can write.
const LEAST: u32 = 2;

/// Runs the scripts, and returns the pages.
pub(super) async fn learn(
    interpreter: &Interpreter,
    slots: &Slots,
    node: &frame::Sender,
) -> Result<Vec<u32>, ProcessError> {
    slots.begin_learning();
    for number in 0..SCRIPTS {
        let word = ["price", "sync", "report", "check"][number % 4];
        let (name, source) = (format!("{word}{number}"), script(word, number));
        drop(run_here(interpreter, node, &name, source.as_bytes()).await?);
    }
    Ok(slots.end_learning(LEAST))
}

fn script(word: &str, number: usize) -> String {
    format!(
        "import json\n\
         def help_{word}_{number}(the_{word}_{number}):\n    return [the_{word}_{number}]\n\
         def run(n_{number}=1):\n    print('{word}')\n    return {{'{word}_{number}': help_{word}_{number}(n_{number})}}\n"
    )
}
