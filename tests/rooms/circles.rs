//! Files that import one another, and files and functions that are too long.

use super::{File, files};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most lines of a file, without its tests and comments.
const MAX_LINES: usize = 400;
/// Most lines of a function.
const MAX_FUNCTION: usize = 80;

/// Files that are longer, with their lines: split them when you work on them. A number here can only become smaller.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that are longer, with their lines. A number here can only become smaller.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// Files of the runtime that import one another. None may be added.
const RUNTIME_CIRCLES: &[&[&str]] = &[];
/// Files of the program that import one another. None may be added.
const CIRCLES: &[&[&str]] = &[];

/// A file of a crate: its module and its lines without tests and comments.
struct Module {
    name: String,
    code: String,
}

fn modules(folder: &str) -> Vec<Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // A file whose name says so holds nothing but tests.
    let is_product = |path: &Path| {
        !path.ends_with("tests.rs")
            && !path.ends_with("readers.rs")
            && !path.components().any(|part| part.as_os_str() == "tests")
    };
    let module = |file: File| {
        let name = file.path.strip_prefix(&root).expect("inside").with_extension("");
        Module { name: name.to_str().expect("text").replace('/', "::"), code: file.code }
    };
    files(&root).into_iter().filter(|file| is_product(&file.path)).map(module).collect()
}

/// The modules that each module names in a path that begins with `crate`, `super` or `self`.
fn imports(modules: &[Module]) -> BTreeMap<&str, BTreeSet<&str>> {
    let names: BTreeSet<&str> = modules.iter().map(|module| &*module.name).collect();
    let path = Regex::new(r"\b((?:super::)+|crate::|self::)((?:\w+::)*)(\{[^;{}]*(?:\{[^{}]*\}[^;{}]*)*\}|\w+)")
        .expect("a pattern");
    let item = Regex::new(r"(?:^\{|,)\s*(\w+)").expect("a pattern");
    let known = |parts: &[&str]| names.get(parts.join("::").as_str()).copied();
    let of_module = |module: &Module| {
        let own: Vec<&str> = module.name.split("::").collect();
        let mut found = BTreeSet::new();
        for named in path.captures_iter(&module.code) {
            let mut base: Vec<&str> = match &named[1] {
                "crate::" => Vec::new(),
                "self::" => own.clone(),
                supers => own[..own.len().saturating_sub(supers.matches("super::").count())].to_vec(),
            };
            let (_, [_, inner, tail]) = named.extract();
            base.extend(inner.split("::").filter(|part| !part.is_empty()));
            let items: Vec<&str> = if tail.starts_with('{') {
                item.captures_iter(tail).map(|found| found.extract::<1>().1[0]).collect()
            } else {
                vec![tail]
            };
            for item in items {
                let whole: Vec<&str> = base.iter().copied().chain([item]).collect();
                // What a child takes from its parent is theirs: they are one room.
                let parent = known(&base).filter(|parent| !own.join("::").starts_with(&format!("{parent}::")));
                found.extend(known(&whole).or(parent).filter(|name| *name != module.name));
            }
        }
        found
    };
    modules.iter().map(|module| (&*module.name, of_module(module))).collect()
}

/// Everything that can be reached from a module.
fn reached<'a>(from: &'a str, graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for next in graph.get(module).into_iter().flatten() {
            if found.insert(*next) {
                open.push(next);
            }
        }
    }
    found
}

fn circles(folder: &str) -> BTreeSet<Vec<String>> {
    let modules = modules(folder);
    let graph = imports(&modules);
    let all: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|name| (*name, reached(name, &graph))).collect();
    let circle = |name: &&str| {
        let own = &all[*name];
        let mut circle: Vec<String> =
            own.iter().filter(|other| all[**other].contains(*name)).map(|other| (*other).to_owned()).collect();
        circle.sort();
        circle
    };
    graph.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

#[test]
fn no_files_import_one_another() {
    for (folder, known) in [("src", CIRCLES), ("runtime/src", RUNTIME_CIRCLES)] {
        let named = |circle: &&[&str]| circle.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let (known, found): (BTreeSet<_>, _) = (known.iter().map(named).collect(), circles(folder));
        for circle in &found {
            let is_known = known.iter().any(|known| circle.iter().all(|name| known.contains(name)));
            let names = circle.join(", ");
            assert!(is_known, "{folder}: {names} import one another; move what they share into a file of its own");
        }
        for circle in &known {
            assert!(found.contains(circle), "{folder}: {circle:?} import one another no more: remove the circle here");
        }
    }
}

#[test]
fn files_and_functions_are_short() {
    let function =
        Regex::new(r"(?m)^( *)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)").expect("a pattern");
    let (mut files, mut functions) = (BTreeMap::new(), BTreeMap::new());
    for folder in ["src", "runtime/src"] {
        for module in modules(folder) {
            let place = format!("{folder}/{}", module.name.replace("::", "/"));
            for found in function.captures_iter(&module.code) {
                let (_, [indent, name]) = found.extract();
                let rest = &module.code[found.get(0).expect("the whole").start()..];
                let end = rest.find(&format!("\n{indent}}}")).map_or(0, |end| rest[..end].matches('\n').count() + 2);
                if end > MAX_FUNCTION {
                    functions.insert(format!("{place} {name}"), end);
                }
            }
            let lines = module.code.lines().count();
            if lines > MAX_LINES {
                files.insert(place, lines);
            }
        }
    }
    for (what, found, known, most) in
        [("lines", files, LONG_FILES, MAX_LINES), ("lines in a function", functions, LONG_FUNCTIONS, MAX_FUNCTION)]
    {
        let known: BTreeMap<&str, usize> = known.iter().copied().collect();
        for (place, lines) in &found {
            let allowed = known.get(&**place).copied().unwrap_or(most);
            assert!(*lines <= allowed, "{place} has {lines} {what}; at most {allowed}: split it by subject");
        }
        for (place, allowed) in known {
            let lines = found.get(place).copied().unwrap_or_default();
            assert!(lines == allowed, "{place} has {lines} {what} now: write that number here instead of {allowed}");
        }
    }
}

/// A circle of two files is found, however they name one another.
#[test]
fn a_circle_is_found() {
    let module = |name: &str, code: &str| Module { name: name.into(), code: code.into() };
    let modules = [
        module("a::x", "use super::y::{self, Z};"),
        module("a::y", "use crate::a::{x, w::W};"),
        module("a::w", "use crate::b::c;"),
        module("b", "mod c;\nfn f() { crate::a::w::g() }"),
    ];
    let graph = imports(&modules);
    assert_eq!(graph["a::x"], BTreeSet::from(["a::y"]));
    assert_eq!(reached("a::x", &graph), BTreeSet::from(["a::x", "a::y", "a::w", "b"]));
}
