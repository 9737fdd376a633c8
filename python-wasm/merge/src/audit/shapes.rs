//! The functions of the meter's own, each in the one form that it can have.

use wasmparser::{BlockType, Operator};

use super::is_bulk;
use super::sequence::Meter;

/// What a function of the meter's own is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Asks the host for a slice.
    Look,
    /// Settles, then calls an import.
    PaidImport,
    /// Settles, calls an exported function, and settles.
    Gate {
        inner: u32,
    },
    /// Gives an exported function a slice of its own.
    QuietGate {
        inner: u32,
    },
    /// Copies, fills or enlarges the memory, for a price.
    Copy,
    Fill,
    Grow,
}

/// The globals that the look names, when it is one.
pub fn globals_of_look(operators: &[Operator<'_>], refuel: u32) -> Option<(u32, u32)> {
    match operators {
        [
            Operator::GlobalGet { global_index: quiet },
            Operator::If { blockty: BlockType::Empty },
            Operator::Unreachable,
            Operator::End,
            Operator::GlobalGet { global_index: slice },
            Operator::Call { function_index },
            Operator::GlobalSet { global_index: again },
            Operator::End,
        ] if slice == again && *function_index == refuel => Some((*slice, *quiet)),
        _ => None,
    }
}

/// Recognises a function of the meter's own.
pub fn recognise(operators: &[Operator<'_>], parameters: u32, meter: &Meter, imports: usize) -> Option<Shape> {
    if globals_of_look(operators, meter.refuel) == Some((meter.slice, meter.quiet)) {
        return Some(Shape::Look);
    }
    if operators.iter().any(is_bulk) {
        let form = form(operators, meter)?;
        let forms = [(Shape::Copy, COPY), (Shape::Fill, FILL), (Shape::Grow, GROW)];
        return forms
            .iter()
            .find(|(_, wanted)| form.iter().map(String::as_str).eq(wanted.split_whitespace()))
            .map(|(shape, _)| *shape);
    }
    if let Some(inner) = quiet(operators, parameters, meter) {
        return (inner as usize >= imports).then_some(Shape::QuietGate { inner });
    }
    let is_import = |function: u32| (function as usize) < imports && ![meter.refuel, meter.settle].contains(&function);
    let (called, behind) = passes_on(settled(operators, meter)?, parameters)?;
    let (settles, behind) = settled(behind, meter).map_or((false, behind), |behind| (true, behind));
    match behind {
        [Operator::End] if is_import(called) => Some(Shape::PaidImport),
        [Operator::End] if settles && called as usize >= imports => Some(Shape::Gate { inner: called }),
        _ => None,
    }
}

/// What follows a settling at the start.
fn settled<'a, 'b>(operators: &'a [Operator<'b>], meter: &Meter) -> Option<&'a [Operator<'b>]> {
    match operators {
        [
            Operator::GlobalGet { global_index },
            Operator::Call { function_index },
            Operator::GlobalSet { global_index: again },
            behind @ ..,
        ] if [*global_index, *again] == [meter.slice; 2] && *function_index == meter.settle => Some(behind),
        _ => None,
    }
}

/// A call with all parameters: who is called, and what follows.
fn passes_on<'a, 'b>(operators: &'a [Operator<'b>], parameters: u32) -> Option<(u32, &'a [Operator<'b>])> {
    let (passed, behind) = operators.split_at_checked(parameters as usize)?;
    let in_order = (0..)
        .zip(passed)
        .all(|(number, operator)| matches!(operator, Operator::LocalGet { local_index } if *local_index == number));
    match behind {
        [Operator::Call { function_index }, behind @ ..] if in_order => Some((*function_index, behind)),
        _ => None,
    }
}

/// The function that is called with a slice of its own, when the operators are those of a quiet gate.
fn quiet(operators: &[Operator<'_>], parameters: u32, meter: &Meter) -> Option<u32> {
    let [
        Operator::GlobalGet { global_index: saved },
        Operator::LocalSet { local_index: before },
        Operator::I64Const { value: given },
        Operator::GlobalSet { global_index: set },
        Operator::I32Const { value: 1 },
        Operator::GlobalSet { global_index: quiet },
        rest @ ..,
    ] = operators
    else {
        return None;
    };
    let (inner, rest) = passes_on(rest, parameters)?;
    let [
        Operator::I32Const { value: 0 },
        Operator::GlobalSet { global_index: loud },
        Operator::GlobalGet { global_index: left },
        Operator::I64Const { value: taken },
        Operator::I64Sub,
        Operator::LocalGet { local_index: after },
        Operator::I64Add,
        Operator::GlobalSet { global_index: restored },
        Operator::End,
    ] = rest
    else {
        return None;
    };
    let slices = [saved, set, left, restored].iter().all(|global| **global == meter.slice);
    let quiets = [quiet, loud].iter().all(|global| **global == meter.quiet);
    let same = before == after && *before >= parameters && given == taken && (1..=MOST_QUIET).contains(given);
    (slices && quiets && same).then_some(inner)
}

/// Most units of a call that cannot ask the host.
const MOST_QUIET: i64 = 100_000_000;

/// `memory.copy` in chunks of 256 KiB, from the end where the ranges overlap so, and the price of a unit for each byte before
/// each chunk. `$0` is the target, `$1` the source, `$2` the length; `L` begins a 64-bit constant.
const COPY: &str = "\
    262144 =$3 block $2 262144 i32.le_u br_if:0 \
    $0 extend $2 extend i64.add memory.size extend L16 i64.shl i64.gt_u br_if:0 \
    $1 extend $2 extend i64.add memory.size extend L16 i64.shl i64.gt_u br_if:0 \
    $0 $1 i32.le_u if \
    loop slice $3 extend i64.sub =slice slice L0 i64.lt_s if look end \
    $0 $1 $3 memory.copy $0 $3 i32.add =$0 $1 $3 i32.add =$1 $2 $3 i32.sub =$2 \
    $2 262144 i32.le_u i32.eqz br_if:0 end \
    else loop slice $3 extend i64.sub =slice slice L0 i64.lt_s if look end \
    $2 $3 i32.sub =$2 $0 $2 i32.add $1 $2 i32.add $3 memory.copy \
    $2 262144 i32.le_u i32.eqz br_if:0 end end end \
    slice $2 extend i64.sub =slice $0 $1 $2 memory.copy end";
/// `memory.fill`, in the same way; `$1` is the value.
const FILL: &str = "\
    262144 =$3 block $2 262144 i32.le_u br_if:0 \
    $0 extend $2 extend i64.add memory.size extend L16 i64.shl i64.gt_u br_if:0 \
    loop slice $3 extend i64.sub =slice slice L0 i64.lt_s if look end \
    $0 $1 $3 memory.fill $0 $3 i32.add =$0 $2 $3 i32.sub =$2 \
    $2 262144 i32.le_u i32.eqz br_if:0 end end \
    slice $2 extend i64.sub =slice $0 $1 $2 memory.fill end";
/// `memory.grow` for a price, and a price for each page when it succeeds.
const GROW: &str = "\
    slice L1000 i64.sub =slice $0 memory.grow :$1 -1 i32.ne if \
    slice $0 extend L8 i64.shl i64.sub =slice end $1 end";

/// Spells the operators that these forms have. None when there is another one.
fn form(operators: &[Operator<'_>], meter: &Meter) -> Option<Vec<String>> {
    use Operator as Op;
    let word = |operator: &Operator<'_>| {
        Some(match operator {
            Op::GlobalGet { global_index } if *global_index == meter.slice => "slice".into(),
            Op::GlobalSet { global_index } if *global_index == meter.slice => "=slice".into(),
            Op::Call { function_index } if *function_index == meter.look => "look".into(),
            Op::LocalGet { local_index } => format!("${local_index}"),
            Op::LocalSet { local_index } => format!("=${local_index}"),
            Op::LocalTee { local_index } => format!(":${local_index}"),
            Op::I32Const { value } => value.to_string(),
            Op::I64Const { value } => format!("L{value}"),
            Op::BrIf { relative_depth } => format!("br_if:{relative_depth}"),
            Op::Block { blockty: BlockType::Empty } => "block".into(),
            Op::Loop { blockty: BlockType::Empty } => "loop".into(),
            Op::If { blockty: BlockType::Empty } => "if".into(),
            Op::Else => "else".into(),
            Op::End => "end".into(),
            Op::I32Add => "i32.add".into(),
            Op::I32Sub => "i32.sub".into(),
            Op::I32Ne => "i32.ne".into(),
            Op::I32Eqz => "i32.eqz".into(),
            Op::I32LeU => "i32.le_u".into(),
            Op::I64ExtendI32U => "extend".into(),
            Op::I64Add => "i64.add".into(),
            Op::I64Sub => "i64.sub".into(),
            Op::I64Shl => "i64.shl".into(),
            Op::I64LtS => "i64.lt_s".into(),
            Op::I64GtU => "i64.gt_u".into(),
            Op::MemorySize { mem: 0 } => "memory.size".into(),
            Op::MemoryGrow { mem: 0 } => "memory.grow".into(),
            Op::MemoryFill { mem: 0 } => "memory.fill".into(),
            Op::MemoryCopy { dst_mem: 0, src_mem: 0 } => "memory.copy".into(),
            _ => return None,
        })
    };
    operators.iter().map(word).collect()
}
