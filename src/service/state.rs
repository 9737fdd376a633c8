//! What scripts leave for their next runs, looked at and set by hand.

use super::{Service, ServiceError};
use crate::exact::Exact;
use crate::script::{MAX_STATE, Script};
use cronbox_runtime::limits::MAX_JSON_DEPTH;

impl Service {
    /// Sets a script's state: a JSON object of at most 64 KiB. A run under way that changes the state, too, is made again.
    ///
    /// # Errors
    /// It is no object, nested too deep or too large; the script is gone.
    pub async fn set_state(&self, script: &Script, state: &Exact) -> Result<(), ServiceError> {
        let bad = |why: String| ServiceError::malformed("bad_json", why);
        if !state.is_object() {
            return Err(bad("a state is a JSON object".into()));
        }
        let state = state.compact(MAX_JSON_DEPTH).map_err(|flaw| bad(format!("the state: {flaw}")))?;
        if state.get().len() > MAX_STATE {
            return Err(ServiceError::too_large(format!("a state has at most {MAX_STATE} bytes as JSON")));
        }
        self.keep_state(script, state.get().to_owned()).await
    }

    /// Empties a script's state.
    ///
    /// # Errors
    /// The script is gone.
    pub async fn clear_state(&self, script: &Script) -> Result<(), ServiceError> {
        // Its count goes on, so that a run which read it before does not write it back.
        self.keep_state(script, "{}".into()).await
    }

    async fn keep_state(&self, script: &Script, text: String) -> Result<(), ServiceError> {
        if self.store.set_state(&script.key, text, self.clock.now()).await? {
            return Ok(());
        }
        Err(ServiceError::script_gone())
    }
}
