//! The description of the interpreter in this repository: CPython with the harness in `python-wasm`.

use crate::guest_description::{Entry, GuestDescription, ImageEntry, Rehearsal, StopLines, Words};

/// The interfaces that the interpreter and its libraries import.
const IMPORTS: [&str; 7] = [
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:io",
    "wasi:random",
    // CPython's `socket` module imports it. It answers access-denied.
    "wasi:sockets",
    "cronbox:guest/host",
];

const WARM_UP: &str = "import sys\ndef run():\n    print('warm')\n    return {'warm': [1, 2.5, None]}\n";

/// Names are kept in one large table, whose place for a name depends on its hash: so scripts differ in their names.
const TYPICAL: &str = "import json\n\
    def help_{word}_{number}(the_{word}_{number}):\n    return [the_{word}_{number}]\n\
    def run(n_{number}=1):\n    print('{word}')\n    return {'{word}_{number}': help_{word}_{number}(n_{number})}\n";

impl GuestDescription {
    /// Describes CPython with the harness.
    pub fn python() -> Self {
        let images =
            ImageEntry { first_imports: "first-imports".into(), prepare: "prepare".into(), rest: "rest".into() };
        GuestDescription {
            entry: Entry { run: "run".into(), images: Some(images) },
            imports: IMPORTS.map(str::to_owned).into(),
            rehearsal: Some(Rehearsal { suffix: ".py".into(), warm_up: WARM_UP.into(), typical: TYPICAL.into() }),
            stop_lines: Some(StopLines::CPython),
            words: Words {
                memory_error: "MemoryError".into(),
                own_exit: "os._exit or abort".into(),
                deep: "too deep a recursion in C code".into(),
            },
            ..GuestDescription::new("python", "run")
        }
    }
}
