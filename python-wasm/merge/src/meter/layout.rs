//! Which index everything has in the metered module.

use wasm_encoder::ValType;

/// Calls of the meter's own that come after the imports.
pub const IMPORTS: u32 = 2;

/// Types of locals that a loop keeps in globals while it looks, and the number of globals for each.
pub const KEPT: [ValType; 3] = [ValType::I32, ValType::I64, ValType::F64];
pub const KEPT_OF_A_TYPE: u32 = 8;

/// The indexes of the metered module, from the numbers of the original's imports, functions and globals.
///
/// The functions that the module defined keep their order behind the imports; then come those of the meter.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub imported: u32,
    pub defined: u32,
    pub globals: u32,
}

impl Layout {
    /// What is left of the slice.
    pub fn slice(self) -> u32 {
        self.globals
    }

    /// Whether the host cannot be called.
    pub fn quiet(self) -> u32 {
        self.globals + 1
    }

    /// The global in which a loop keeps its `number`th local of a type while it looks; none for types that are not kept.
    pub fn kept(self, ty: ValType, number: u32) -> Option<u32> {
        let group = (0..).zip(KEPT).find(|(_, kept)| *kept == ty)?.0;
        (number < KEPT_OF_A_TYPE).then_some(self.globals + 2 + group * KEPT_OF_A_TYPE + number)
    }

    /// The import that settles what host calls cost.
    pub fn settle(self) -> u32 {
        self.imported
    }

    /// The import that gives the next slice.
    pub fn refuel(self) -> u32 {
        self.imported + 1
    }

    /// The index of a function of the original. An import is reached through the function that pays for it.
    pub fn function(self, original: u32) -> u32 {
        match original.checked_sub(self.imported) {
            None => self.paid_import(original),
            Some(defined) => self.imported + IMPORTS + defined,
        }
    }

    fn own(self, number: u32) -> u32 {
        self.imported + IMPORTS + self.defined + number
    }

    /// Asks the host for a slice.
    pub fn look(self) -> u32 {
        self.own(0)
    }

    /// Copies memory.
    pub fn copy(self) -> u32 {
        self.own(1)
    }

    /// Fills memory.
    pub fn fill(self) -> u32 {
        self.own(2)
    }

    /// Makes memory larger.
    pub fn grow(self) -> u32 {
        self.own(3)
    }

    /// Settles, then calls an import.
    pub fn paid_import(self, import: u32) -> u32 {
        self.own(4 + import)
    }

    /// Stands before an exported function, by the number of the export.
    pub fn gate(self, export: u32) -> u32 {
        self.own(4 + self.imported + export)
    }
}
