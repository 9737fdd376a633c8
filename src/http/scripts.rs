//! Scripts: uploading in every form, looking, changing, deleting.

pub(super) mod change;
pub(super) mod problems;
pub(super) mod publish;
pub(super) mod show;
