//! Preparing an image: a sandbox imports packages and nothing else, and its memory at rest becomes the image.

use super::Interpreter;
use crate::guest::{self, RunInput};
use crate::guest_description::ImageEntry;
use crate::limits::IMPORT_FUEL;
use crate::prepared::{Prepared, Refusal};
use std::time::Instant;
use wasmtime::component::TypedFunc;

/// The guest's function that imports modules.
type PrepareFunction = TypedFunc<(Vec<String>, Vec<(String, String)>), (Result<guest::Prepared, String>,)>;

impl Interpreter {
    /// Returns what the script of `input` imports of its packages before it does anything else.
    pub(crate) async fn first_imports(&self, input: RunInput<'_>) -> wasmtime::Result<Vec<String>> {
        let source = super::source_of(&input);
        let path = format!("/app/{}", input.start.path);
        let name = &*self.image_entry()?.first_imports;
        let mut store = self.store()?;
        self.slots.choose(self.base);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let first_imports = instance.get_typed_func::<(Vec<u8>, String), (Vec<String>,)>(&mut store, name)?;
        store.data_mut().begin(input, Instant::now());
        store.data_mut().fill(IMPORT_FUEL);
        let (found,) = first_imports.call_async(&mut store, (source, path)).await?;
        Ok(found)
    }

    fn image_entry(&self) -> wasmtime::Result<&ImageEntry> {
        let entry = self.description.entry.images.as_ref();
        entry.ok_or_else(|| wasmtime::format_err!("there are no images of the guest {}", self.description.name))
    }

    /// Imports the modules in a new sandbox, and checks that nothing but its memory is left of that. The error is why the
    /// memory cannot be an image. The changed pages are with the slots when the sandbox is dropped, which this does.
    pub(crate) async fn prepare_image(&self, input: RunInput<'_>, modules: &[String]) -> Result<Prepared, Refusal> {
        let env: Vec<_> = input.start.env.clone();
        let (stdout, stderr) = (input.stdout.clone(), input.stderr.clone());
        let internal = |error: wasmtime::Error| Refusal::passing(format!("the sandbox cannot be prepared: {error:#}"));
        let entry = self.image_entry().map_err(internal)?;
        let mut store = self.store().map_err(internal)?;
        self.slots.choose(self.base);
        self.slots.keep_changes();
        let instance = self.pre.instantiate_async(&mut store).await.map_err(internal)?;
        let prepare: PrepareFunction = instance.get_typed_func(&mut store, &*entry.prepare).map_err(internal)?;
        // A guest without it keeps no handles.
        let rest = instance.get_typed_func::<(), ()>(&mut store, &*entry.rest).ok();
        store.data_mut().begin(input, Instant::now());
        store.data_mut().fill(IMPORT_FUEL);
        // The node ends a process that waits for long.
        let found = match prepare.call_async(&mut store, (modules.to_vec(), env)).await {
            Err(error) if super::is_out_of_fuel(&error) => {
                return Err(Refusal::lasting(format!(
                    "the imports need more than {} G of fuel",
                    IMPORT_FUEL / 1_000_000_000
                )));
            }
            Err(error) => {
                let (outcome, message) =
                    super::verdict_on(&error, store.data().limiter.budget.refusals() > 0, &self.words);
                let why = message.unwrap_or_else(|| outcome.as_str().into());
                return Err(Refusal::lasting(format!("the imports end the interpreter: {why}")));
            }
            Ok((Err(sentence),)) => return Err(Refusal::lasting(sentence)),
            Ok((Ok(found),)) => found,
        };
        if let Some(rest) = rest {
            rest.call_async(&mut store, ()).await.map_err(internal)?;
        }
        let guest = store.data();
        if stdout.totals().bytes + stderr.totals().bytes > 0 {
            return Err(Refusal::lasting("an import writes to standard output or standard error"));
        }
        if let Some(sentence) = guest.left_behind() {
            return Err(Refusal::lasting(sentence));
        }
        Ok(Prepared { names: found.names, variables: found.variables, import_fuel: guest.import_fuel, length: 0 })
    }
}
