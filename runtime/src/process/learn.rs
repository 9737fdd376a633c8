//! Finding out which pages of the image most runs write.
//!
//! Which pages a run writes depends on the words of its script. So runs of many scripts with different words are observed,
//! once for each interpreter; the node keeps what was found beside the image.

use super::{ProcessError, run_here};
use crate::frame;
use crate::memory::Slots;
use crate::sandbox::Interpreter;

/// Scripts that are run. With 400, a script whose words were never seen before writes no page beyond those found.
const SCRIPTS: usize = 400;
/// A page that so many of them wrote is one that most runs can write.
const LEAST: u32 = 2;

/// Runs the scripts, and returns the pages; none for a guest that has no scripts.
pub(super) async fn learn(
    interpreter: &Interpreter,
    slots: &Slots,
    node: &frame::Sender,
) -> Result<Option<Vec<u32>>, ProcessError> {
    let Some(rehearsal) = &interpreter.description().rehearsal else { return Ok(None) };
    slots.begin_learning();
    for number in 0..SCRIPTS {
        let word = ["price", "sync", "report", "check"][number % 4];
        let (name, source) = (format!("{word}{number}"), rehearsal.typical(word, number));
        drop(run_here(interpreter, node, &name, &source).await?);
    }
    Ok(Some(slots.end_learning(interpreter.base(), LEAST)))
}
