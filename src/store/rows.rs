//! Rows and what is read from them: the columns of each table are listed here, and only here.

pub(super) mod queue;
pub(super) mod run;
pub(super) mod schedule;
pub(super) mod script;
