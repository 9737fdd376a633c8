//! Scripts: uploading in every form, looking, changing, deleting.

pub(super) mod change;
pub(super) mod publish;
pub(super) mod show;

use super::endpoints::Endpoints;

/// The endpoints of this folder.
pub(super) fn endpoints() -> Endpoints {
    show::endpoints().merge(publish::endpoints()).merge(change::endpoints())
}
