//! A sandbox for one run: it is made ready before the run exists, and dropped after it.

mod parked;
mod prepare;

use crate::files::Kept;
use crate::frame::Done;
use crate::guest::{self, Guest, RunInput};
use crate::guest_description::{GuestDescription, Words};
use crate::memory::{ImageNumber, Place, Slot, Slots, Stacks};
use crate::outcome::{Mode, Outcome, ResultKind, ScriptError, Usage, bounded_notes};
use parked::{End, Parked, Parts};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, TypedFunc};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi::I32Exit;

/// The memory that a run needs beyond the interpreter's own, in bytes.
const HEADROOM: u64 = 4 << 20;

/// The guest's function for a run.
type RunFunction = TypedFunc<(guest::Request,), (Result<guest::Success, guest::Failure>,)>;

/// A loaded guest, which makes sandboxes.
pub(crate) struct Interpreter {
    description: GuestDescription,
    engine: Engine,
    pre: InstancePre<Guest>,
    /// The export that carries out a run.
    run: ComponentExportIndex,
    words: Arc<Words>,
    slots: Arc<Slots>,
    stacks: Stacks,
    /// Its own image.
    base: ImageNumber,
    memory: u64,
    max_memory: u64,
}

/// A sandbox that is ready: instantiated, without a run.
pub(crate) struct ReadySandbox {
    store: Store<Guest>,
    run: RunFunction,
    words: Arc<Words>,
    parts: Parts,
}

/// A sandbox whose run has ended. Dropping it gives its memory back.
pub(crate) struct FinishedSandbox {
    store: Store<Guest>,
    memory: Place<Slot>,
    /// Its turn to be taken down, when it was parked. After the store, so that the next one has room.
    _turn: Option<OwnedSemaphorePermit>,
}

impl FinishedSandbox {
    /// Returns the addresses of the guest's memory, which is still as the run left it; none when the script had not started,
    /// or when its memory is away.
    pub(crate) fn memory_of_script(&self) -> Option<Range<usize>> {
        self.memory.addresses().filter(|memory| self.store.data().mark.is_some_and(|mark| memory.contains(&mark)))
    }

    /// Closes the connections of the run.
    pub(crate) fn leave_network(&self) {
        self.store.data().leave_network();
    }

    /// Returns what is kept of `/output`.
    pub(crate) fn kept(&self) -> Kept {
        self.store.data().kept()
    }
}

impl Interpreter {
    /// Links the component, and makes one sandbox to check it and to measure its memory. `base` is its image.
    pub(crate) async fn new(
        component: &Component,
        description: GuestDescription,
        (slots, stacks, base): (Arc<Slots>, Stacks, ImageNumber),
        max_memory: u64,
    ) -> wasmtime::Result<Self> {
        let engine = component.engine().clone();
        let pre = guest::linker(&engine, component, &description)?.instantiate_pre(component)?;
        let name = &*description.entry.run;
        let run = component
            .get_export_index(None, name)
            .ok_or_else(|| wasmtime::format_err!("the guest does not export the function {name}"))?;
        let words = Arc::new(description.words.clone());
        let mut interpreter =
            Interpreter { description, engine, pre, run, words, slots, stacks, base, memory: 0, max_memory };
        let first = interpreter.prepare(base).await?;
        interpreter.memory = first.store.data().limiter.budget.peak() + HEADROOM;
        Ok(interpreter)
    }

    /// Returns the description of the guest.
    pub(crate) fn description(&self) -> &GuestDescription {
        &self.description
    }

    /// Returns the number of the guest's own image.
    pub(crate) fn base(&self) -> ImageNumber {
        self.base
    }

    /// Returns the smallest memory limit that a run can have, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// Makes a sandbox before its run exists. Its memory begins as this image.
    pub(crate) async fn prepare(&self, image: ImageNumber) -> wasmtime::Result<ReadySandbox> {
        let mut store = self.store()?;
        // Nothing comes between this and the instantiation, which makes the memory before it waits for anything.
        let memory = self.slots.choose(image);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func(&mut store, self.run)?;
        if image != self.base {
            // Wasmtime tells the limiter the size that the module begins with, and the image can be larger.
            let length = self.slots.length(image).unwrap_or_default() as u64;
            store.data().limiter.budget.set_linear(length);
        }
        let (waits, budget) = (store.data().waits.clone(), store.data().limiter.budget.clone());
        let parts = Parts { slots: self.slots.clone(), stacks: self.stacks.clone(), memory, waits, budget };
        Ok(ReadySandbox { store, run, words: self.words.clone(), parts })
    }

    fn store(&self) -> wasmtime::Result<Store<Guest>> {
        let mut store = Store::new(&self.engine, Guest::waiting(self.max_memory));
        store.limiter(|guest| &mut guest.limiter);
        store.set_max_component_handles(MAX_COMPONENT_HANDLES);
        Ok(store)
    }
}

/// Most handles of resources of a component instance: the guest's side of the table in `guest`.
const MAX_COMPONENT_HANDLES: usize = 1_000;

impl ReadySandbox {
    /// Runs the script to its end.
    pub(crate) async fn run(mut self, input: RunInput<'_>, cancel: &Notify) -> (Done, String, FinishedSandbox) {
        let start = input.start;
        let limits = start.limits;
        let source = source_of(&input);
        let (stdout, stderr) = (input.stdout.clone(), input.stderr.clone());
        let beside = bytes_of(start, &source);
        let request = request_of(start, source);
        let began = Instant::now();
        let deadline = tokio::time::Instant::from_std(began) + limits.wall;
        let admission = input.admission.clone();
        self.store.data_mut().begin(input, began);
        // The largest data of one call is a result, or a chunk of a file.
        self.store.set_hostcall_fuel(limits.result as usize * 2 + (4 << 20));
        let memory = self.parts.memory.clone();
        let run = self.run.call_async(&mut self.store, (request,));
        let mut run = Parked::new(run, self.parts, admission, beside, deadline);
        let ended = tokio::select! {
            biased;
            () = cancel.notified() => Ended::Cancelled,
            end = &mut run => match end {
                End::TimedOut => Ended::TimedOut,
                End::Returned(Err(error)) => Ended::Trapped(error),
                End::Returned(Ok((returned,))) => Ended::Returned(returned),
            }
        };
        let wall = began.elapsed().saturating_sub(run.held_up());
        // The line at which it stood is read in its memory.
        let turn = run.take_down(matches!(ended, Ended::TimedOut)).await;
        let budget = self.store.data().limiter.budget.clone();
        let out_of_fuel = matches!(&ended, Ended::Trapped(error) if is_out_of_fuel(error));
        let left = if out_of_fuel { 0 } else { self.store.data().fuel_left() };
        let (fuel, import_fuel) = self.store.data().fuel_used(left);
        let usage =
            Usage { fuel, import_fuel, peak_memory_bytes: budget.peak(), refused_memory_bytes: budget.refused(), wall };
        let (mut done, result) = judge(ended, budget.refusals() > 0, start.result_kind, &self.words);
        done.usage = usage;
        done.stdout = stdout.totals();
        done.stderr = stderr.totals();
        (done, result, FinishedSandbox { store: self.store, memory, _turn: turn })
    }
}

/// Returns the script, compiled when that was done before.
fn source_of(input: &RunInput<'_>) -> Vec<u8> {
    let compiled = input.start.code.as_deref().and_then(|code| input.bundle.file(code));
    compiled.or_else(|| input.bundle.file(&input.start.path)).unwrap_or_default().to_vec()
}

fn request_of(start: &crate::frame::Start, source: Vec<u8>) -> guest::Request {
    guest::Request {
        name: start.name.clone(),
        path: format!("/app/{}", start.path),
        source,
        entry: start.entry.clone(),
        args: start.args.clone(),
        text_args: start.text_args.clone(),
        argv: start.argv.clone(),
        env: start.env.clone(),
        context: start.context.clone(),
        result_kind: match start.result_kind {
            ResultKind::Json => guest::ResultKind::Json,
            ResultKind::Text => guest::ResultKind::Text,
            ResultKind::None => guest::ResultKind::None,
        },
        result_limit: start.limits.result,
        has_packages: start.packages.is_some(),
    }
}

/// Returns the bytes of what a run was started with, which is kept until it ends: as the node has sent it, and for the call of
/// the guest.
fn bytes_of(start: &crate::frame::Start, source: &[u8]) -> u64 {
    let pairs = start.env.iter().map(|(name, value)| name.len() + value.len());
    let words = start.argv.iter().map(String::len);
    let sent = start.args.len() + start.context.len() + pairs.chain(words).sum::<usize>();
    (source.len() + sent * 2) as u64
}

/// The end of the guest's export, before it is judged.
enum Ended {
    Returned(Result<guest::Success, guest::Failure>),
    Trapped(wasmtime::Error),
    TimedOut,
    Cancelled,
}

fn is_out_of_fuel(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::OutOfFuel))
}

/// Decides the outcome. Only a typed return is a success; the host decides on all other ends.
fn judge(ended: Ended, memory_refused: bool, kind: ResultKind, words: &Words) -> (Done, String) {
    let mut done = Done {
        outcome: Outcome::TimedOut,
        mode: None,
        result_kind: kind,
        error: None,
        stopped_at: None,
        notes: Vec::new(),
        usage: Usage::default(),
        stdout: Default::default(),
        stderr: Default::default(),
    };
    let mut result = String::new();
    match ended {
        Ended::TimedOut => {}
        Ended::Cancelled => done.outcome = Outcome::Cancelled,
        Ended::Returned(Ok(success)) => {
            done.outcome = Outcome::Succeeded;
            done.mode = Some(mode_of(success.mode));
            done.result_kind = kind_of(success.kind);
            done.notes = bounded_notes(success.notes);
            result = success.value;
        }
        Ended::Returned(Err(failure)) => {
            let out_of_memory = memory_refused && failure.type_name == words.memory_error;
            done.outcome = if out_of_memory { Outcome::OutOfMemory } else { Outcome::Failed };
            done.mode = Some(mode_of(failure.mode));
            done.notes = bounded_notes(failure.notes);
            let error = ScriptError {
                type_name: failure.type_name,
                message: failure.message,
                traceback: failure.traceback,
                exit_code: failure.exit_code,
            };
            done.error = Some(error.bounded());
            if let Some((kind, value)) = failure.value {
                (done.result_kind, result) = (kind_of(kind), value);
            }
        }
        Ended::Trapped(error) => {
            let (outcome, message) = verdict_on(&error, memory_refused, words);
            done.outcome = outcome;
            done.error = message.map(|message| ScriptError::new("Crashed", message));
        }
    }
    (done, result)
}

fn kind_of(kind: guest::ResultKind) -> ResultKind {
    match kind {
        guest::ResultKind::Json => ResultKind::Json,
        guest::ResultKind::Text => ResultKind::Text,
        guest::ResultKind::None => ResultKind::None,
    }
}

fn mode_of(mode: guest::Mode) -> Mode {
    match mode {
        guest::Mode::Function => Mode::Function,
        guest::Mode::Script => Mode::Script,
    }
}

fn verdict_on(error: &wasmtime::Error, memory_refused: bool, words: &Words) -> (Outcome, Option<String>) {
    if is_out_of_fuel(error) {
        return (Outcome::OutOfFuel, None);
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        // An orderly exit of a script is reported by the guest, so this one bypassed it.
        let how = if words.own_exit.is_empty() { String::new() } else { format!("{}; ", words.own_exit) };
        let message = format!("the script ended the interpreter itself ({how}exit status {})", exit.0);
        return (Outcome::Crashed, Some(message));
    }
    if memory_refused {
        return (Outcome::OutOfMemory, None);
    }
    let message = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) if words.deep.is_empty() => "the interpreter's stack is exhausted".into(),
        Some(Trap::StackOverflow) => format!("the interpreter's stack is exhausted ({})", words.deep),
        Some(Trap::UnreachableCodeReached) => "the interpreter aborted".into(),
        Some(trap) => format!("the interpreter crashed: {trap}"),
        None => "the interpreter violated a rule of its host".into(),
    };
    (Outcome::Crashed, Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(error: impl Into<wasmtime::Error>, refused: bool) -> Outcome {
        verdict_on(&error.into(), refused, &Words::default()).0
    }

    #[test]
    fn an_exit_is_never_a_success() {
        assert_eq!(verdict(I32Exit(0), false), Outcome::Crashed);
        assert_eq!(verdict(I32Exit(0), true), Outcome::Crashed);
    }

    #[test]
    fn a_trap_after_refused_memory_is_about_memory() {
        assert_eq!(verdict(Trap::UnreachableCodeReached, true), Outcome::OutOfMemory);
        assert_eq!(verdict(Trap::UnreachableCodeReached, false), Outcome::Crashed);
        assert_eq!(verdict(Trap::OutOfFuel, true), Outcome::OutOfFuel);
        assert_eq!(verdict(Trap::StackOverflow, false), Outcome::Crashed);
    }

    #[test]
    fn a_memory_error_without_a_refusal_is_a_failure() {
        let failure = |type_name: &str| guest::Failure {
            mode: guest::Mode::Function,
            type_name: type_name.into(),
            message: String::new(),
            traceback: String::new(),
            exit_code: None,
            notes: Vec::new(),
            value: None,
        };
        let words = Words { memory_error: "MemoryError".into(), ..Words::default() };
        let outcome = |type_name, refused| {
            judge(Ended::Returned(Err(failure(type_name))), refused, ResultKind::Json, &words).0.outcome
        };
        assert_eq!(outcome("MemoryError", false), Outcome::Failed);
        assert_eq!(outcome("MemoryError", true), Outcome::OutOfMemory);
        assert_eq!(outcome("ValueError", true), Outcome::Failed);
    }
}
