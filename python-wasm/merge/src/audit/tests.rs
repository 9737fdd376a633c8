//! One test for each way in which a module can break a rule.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType, Module, RefType, TableSection, TableType,
    TypeSection, ValType,
};
use wasmparser::{Payload, Validator};

use super::*;
use crate::meter;
use crate::module::{Edit, rewrite};

/// The functions of the module below, in the metered form: one import of its own and two of the meter's come before.
const RUN: u32 = 3;
const LEAF: u32 = 4;
const RECURSIVE: u32 = 5;
const LOOK: u32 = 7;
const FILL: u32 = 9;

/// A module with everything that the meter knows: a loop, calls of all kinds, and an exported `cabi_realloc`.
fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import("cronbox:guest/host@0.1.0", "loaded", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    functions.function(1).function(1).function(1).function(1);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 2,
        maximum: None,
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(ty, &ConstExpr::i32_const(1024));
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 1).export("memory", ExportKind::Memory, 0);
    exports.export("cabi_realloc", ExportKind::Func, 4);
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(0), Elements::Functions([0, 2].as_slice().into()));
    let mut code = CodeSection::new();
    let mut run = Function::new([]);
    let mut out = run.instructions();
    out.call(0).loop_(wasm_encoder::BlockType::Empty);
    out.i32_const(8).i32_const(0).local_get(0).memory_fill(0);
    out.i32_const(8).i32_const(0).local_get(0).memory_copy(0, 0);
    out.local_get(0).call(2).local_tee(0).br_if(0).end();
    out.local_get(0).local_get(0).call_indirect(0, 1).memory_grow(0).call(3).end();
    let mut leaf = Function::new([]);
    leaf.instructions().local_get(0).i32_const(1).i32_sub().end();
    let mut recursive = Function::new([]);
    recursive.instructions().local_get(0).call(3).end();
    let mut realloc = Function::new([]);
    realloc.instructions().loop_(wasm_encoder::BlockType::Empty).local_get(0).br_if(0).end().local_get(0).end();
    code.function(&run).function(&leaf).function(&recursive).function(&realloc);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories).section(&globals);
    module.section(&exports).section(&elements).section(&code);
    module.finish()
}

fn metered() -> Vec<u8> {
    let (metered, _) = meter::meter(&module()).expect("meters");
    Validator::new().validate_all(&metered).expect("valid");
    metered
}

/// The refusal of a module; empty when it passes.
fn refusal(module: &[u8]) -> String {
    audit(module).map_or_else(|error| format!("{error:#}"), |_| String::new())
}

/// The refusal of the metered module after one of its functions is changed.
fn changed(function: u32, change: impl FnOnce(&mut Vec<Operator<'_>>)) -> String {
    let metered = metered();
    let code = Code::read(&metered).expect("reads");
    let mut change = Some(change);
    let edited = rewrite(&metered, |payload, out| {
        let Payload::CodeSectionStart { .. } = payload else { return Ok(Edit::Keep) };
        let mut section = CodeSection::new();
        for (at, defined) in (3..).zip(&code.functions) {
            let mut operators = defined.operators.clone();
            if at == function {
                change.take().expect("once")(&mut operators);
            }
            let locals = defined.locals.iter().map(|(count, ty)| Ok((*count, RoundtripReencoder.val_type(*ty)?)));
            let mut body = Function::new(locals.collect::<Result<Vec<_>>>()?);
            for operator in operators {
                body.instruction(&RoundtripReencoder.instruction(operator)?);
            }
            section.function(&body);
        }
        out.section(&section);
        Ok(Edit::Written)
    });
    refusal(&edited.expect("writes"))
}

/// The number of the first operator of this kind.
fn first(operators: &[Operator<'_>], is: impl Fn(&Operator<'_>) -> bool) -> usize {
    operators.iter().position(is).expect("there is one")
}

fn is_loop(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Loop { .. })
}

/// The operators of a price with a look, and of one in a loop that keeps a local.
const PRICE: usize = 11;
const PRICE_IN_LOOP: usize = PRICE + 4;
/// From the start of the loop to where it keeps the local, to the call of the host, and to where the local comes back.
const KEEPS: usize = 10;
const ASKS: usize = 12;
const COMES_BACK: usize = 13;

fn assert_has(refusal: &str, words: &str) {
    assert!(refusal.contains(words), "{refusal:?} does not have {words:?}");
}

#[test]
fn a_metered_module_passes_and_its_bounds_are_told() {
    let proof = audit(&metered()).expect("passes");
    assert_eq!((proof.functions, proof.free, proof.looks), (4, 1, 4));
    assert!(proof.between_prices <= proof.between_looks && proof.between_looks < 100_000, "{proof}");
    assert_has(&refusal(&module()), "the module has no meter");
    assert!(meter::meter(&metered()).is_err());
}

#[test]
fn each_loop_begins_with_a_price_and_a_look() {
    let words = "a loop does not begin with a price and a look";
    assert_has(
        &changed(RUN, |operators| {
            let at = first(operators, is_loop);
            operators.drain(at + 1..=at + PRICE_IN_LOOP);
        }),
        words,
    );
    // A price alone.
    assert_has(
        &changed(RUN, |operators| {
            let at = first(operators, is_loop);
            operators.drain(at + 6..=at + PRICE_IN_LOOP);
            operators.remove(at + 4);
        }),
        words,
    );
}

#[test]
fn a_price_is_the_exact_sequence_and_a_number_above_zero() {
    let of_price = |value: i64| {
        changed(RUN, |operators| {
            let at = first(operators, is_loop);
            operators[at + 2] = Operator::I64Const { value };
        })
    };
    assert_has(&of_price(0), "a price of 0");
    assert_has(&of_price(-5), "a price of -5");
    assert_eq!(of_price(70), "");
    let with = |offset: usize, operator: Operator<'static>| {
        changed(RUN, |operators| {
            let at = first(operators, is_loop);
            operators[at + offset] = operator;
        })
    };
    assert_has(&with(6, Operator::LocalGet { local_index: 0 }), "no price");
    assert_has(&with(7, Operator::I64Const { value: -100 }), "no price");
    assert_has(&with(3, Operator::I64Add), "no price");
    assert_has(&with(ASKS, Operator::Call { function_index: LEAF }), "no price");
}

#[test]
fn a_local_that_a_loop_keeps_comes_back() {
    const KEPT: u32 = 3;
    let with = |offset: usize, operator: Operator<'static>| {
        changed(RUN, |operators| {
            let at = first(operators, is_loop);
            operators[at + offset] = operator;
        })
    };
    assert_eq!(with(KEEPS, Operator::LocalGet { local_index: 0 }), "");
    assert_has(&with(KEEPS, Operator::LocalGet { local_index: 1 }), "no price");
    assert_has(&with(COMES_BACK, Operator::GlobalGet { global_index: KEPT + 1 }), "no price");
    assert_has(&with(COMES_BACK + 1, Operator::LocalSet { local_index: 1 }), "no price");
    // In the slice, or in a global of the module.
    for global_index in [0, 1, 2] {
        assert_has(&with(KEEPS + 1, Operator::GlobalSet { global_index }), "no price");
    }
    // Two locals in one global.
    let twice = changed(RUN, |operators| {
        let at = first(operators, is_loop);
        let (keeps, comes_back) = (at + KEEPS, at + COMES_BACK);
        let more: Vec<_> = operators[comes_back..comes_back + 2].to_vec();
        operators.splice(comes_back..comes_back, more);
        let more: Vec<_> = operators[keeps..keeps + 2].to_vec();
        operators.splice(keeps..keeps, more);
    });
    assert_has(&twice, "no price");
}

#[test]
fn nothing_else_names_the_globals_of_the_meter() {
    for global_index in [1, 2, 3, 26] {
        assert_has(
            &changed(LEAF, |operators| operators.insert(0, Operator::GlobalSet { global_index })),
            "is named by",
        );
    }
    assert_has(&changed(LEAF, |operators| operators.insert(0, Operator::GlobalGet { global_index: 1 })), "no price");
    for global in [1, 2, 26] {
        let export = |out: &mut ExportSection| _ = out.export("slice", ExportKind::Global, global);
        assert_has(&refusal(&exporting(export)), "a global of the meter is exported");
    }
}

/// The metered module with one more export.
fn exporting(add: impl Fn(&mut ExportSection)) -> Vec<u8> {
    let metered = metered();
    let exporting = rewrite(&metered, |payload, out| {
        let Payload::ExportSection(section) = payload else { return Ok(Edit::Keep) };
        let mut exports = ExportSection::new();
        RoundtripReencoder.parse_export_section(&mut exports, section)?;
        add(&mut exports);
        out.section(&exports);
        Ok(Edit::Written)
    });
    exporting.expect("writes")
}

#[test]
fn what_is_exported_has_its_gate() {
    let export =
        |name: &'static str, function| move |out: &mut ExportSection| _ = out.export(name, ExportKind::Func, function);
    assert_has(&refusal(&exporting(export("again", RUN))), "`again` is exported without its gate");
    // The last two functions are the gates of `run` and `cabi_realloc`.
    let code = metered();
    let last = Code::read(&code).expect("reads").functions.len() as u32 + 2;
    assert_eq!(refusal(&exporting(export("again", last - 1))), "");
    assert_eq!(refusal(&exporting(export("cabi_again", last))), "");
    assert_has(&refusal(&exporting(export("again", last))), "without its gate");
    assert_has(&refusal(&exporting(export("cabi_again", last - 1))), "without its gate");
}

#[test]
fn the_host_is_called_after_settling_only() {
    let call = |function_index| {
        move |operators: &mut Vec<Operator<'_>>| operators.insert(0, Operator::Call { function_index })
    };
    assert_has(&changed(RUN, call(0)), "an import is called without settling");
    assert_has(&changed(LEAF, call(0)), "it does not pay, is in a table, and calls");
    assert_has(&changed(RUN, call(LOOK)), "a look without a price");
    assert_has(&changed(LEAF, call(2)), "in two functions");
    // The function that pays for the import, without its settling.
    let paid = LOOK + 4;
    assert_has(&changed(paid, |operators| _ = operators.drain(..3)), "no price");
}

#[test]
fn memory_is_worked_on_in_paid_chunks_only() {
    let fill = Operator::MemoryFill { mem: 0 };
    assert_has(&changed(LEAF, |operators| operators.insert(0, fill.clone())), "not paid by its length");
    assert_has(
        &changed(RUN, |operators| operators.insert(PRICE, Operator::MemoryGrow { mem: 0 })),
        "not paid by its length",
    );
    // The function that fills, without the last price.
    let refusal = changed(FILL, |operators| {
        let last = operators.len() - 5;
        operators.drain(last - 5..last);
    });
    assert!(!refusal.is_empty());
    // With larger chunks.
    let refusal = changed(FILL, |operators| operators[0] = Operator::I32Const { value: 1 << 30 });
    assert!(!refusal.is_empty());
}

#[test]
fn each_cycle_of_calls_looks() {
    // Without its look, then without its price.
    let refusal = changed(RECURSIVE, |operators| {
        operators.drain(5..PRICE);
        operators.remove(3);
    });
    assert_has(&refusal, "call each other in a circle without a look");
    assert_has(&changed(RECURSIVE, |operators| _ = operators.drain(..PRICE)), "in a circle");
    let refusal = changed(RUN, |operators| {
        operators.drain(5..PRICE);
        operators.remove(3);
    });
    assert_has(&refusal, "calls through a table and does not look");
}

#[test]
fn a_unit_pays_for_few_operators() {
    let longer = |function| {
        changed(function, |operators| {
            let end = operators.len() - 1;
            operators.splice(end..end, vec![Operator::I32Eqz; 60_000]);
        })
    };
    assert_has(&longer(RUN), "more than 64 operators are done for a unit");
    assert_has(&longer(LEAF), "it does not pay, and has more than 64 operators");
}

#[test]
fn the_look_asks_the_host() {
    assert_has(&changed(LOOK, |operators| _ = operators.drain(..4)), "the look is not as it must be");
    assert_has(&changed(LOOK, |operators| operators[4] = Operator::GlobalGet { global_index: 0 }), "the look is not");
}
