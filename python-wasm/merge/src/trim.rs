//! Cuts the exports that only the merge needed. As long as they are there, nothing behind them can be folded.

use anyhow::{Result, ensure};
use wasm_encoder::ExportSection;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasmparser::Payload;

use crate::module::{Edit, rewrite};

/// Stands before the name of an export that stays.
pub const KEPT: &str = "kept:";

/// Keeps the marked exports, without the mark.
pub fn trim(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = 0;
    let trimmed = rewrite(module, |payload, out| {
        let Payload::ExportSection(section) = payload else { return Ok(Edit::Keep) };
        let mut exports = ExportSection::new();
        for export in section {
            let export = export?;
            if let Some(name) = export.name.strip_prefix(KEPT) {
                exports.export(name, RoundtripReencoder.export_kind(export.kind)?, export.index);
                kept += 1;
            }
        }
        out.section(&exports);
        Ok(Edit::Written)
    })?;
    ensure!(kept > 0, "the module has no export that begins with `{KEPT}`: it does not come from `split`");
    Ok(trimmed)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{ExportKind, GlobalSection, GlobalType, MemorySection, MemoryType, Module, ValType};

    use super::*;

    fn module(exports: &[(&str, ExportKind, u32)]) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut globals = GlobalSection::new();
        globals.global(
            GlobalType { val_type: ValType::I32, mutable: false, shared: false },
            &wasm_encoder::ConstExpr::i32_const(1),
        );
        let mut section = ExportSection::new();
        for (name, kind, index) in exports {
            section.export(name, *kind, *index);
        }
        let mut module = Module::new();
        module.section(&memories).section(&globals).section(&section);
        module.finish()
    }

    #[test]
    fn marked_exports_stay_and_lose_the_mark() -> Result<()> {
        let before = module(&[
            ("main|memory", ExportKind::Memory, 0),
            ("kept:memory", ExportKind::Memory, 0),
            ("main|x", ExportKind::Global, 0),
        ]);
        assert_eq!(trim(&before)?, module(&[("memory", ExportKind::Memory, 0)]));
        Ok(())
    }

    #[test]
    fn a_module_without_marks_is_refused() {
        assert!(trim(&module(&[("main|memory", ExportKind::Memory, 0)])).is_err());
    }
}
