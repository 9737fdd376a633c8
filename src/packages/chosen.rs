//! A version that the resolver chose, and how its archive is unpacked.

use super::PackageError;
use super::lock::Pinned;
use super::offer::{Form, Offer};
use super::wheel::{self, Files};
use super::{optional, refusal, sdist, standin};

/// A version that the resolver chose, and what is fetched for it.
pub(super) struct Chosen {
    pub(super) pinned: Pinned,
    pub(super) form: Form,
    /// The name of the file that is fetched.
    file: String,
}

impl Chosen {
    pub(super) fn new(mut pinned: Pinned, offer: Offer) -> Result<Self, PackageError> {
        let file = offer.original.filename;
        if offer.form != Form::Pure && offer.form != Form::StandIn {
            let digest = offer.original.hashes.get("sha256").map(|digest| digest.to_lowercase());
            pinned.sha256 = digest.ok_or_else(|| {
                PackageError::BadWheel(format!("{} {}: the index gives no SHA-256 for it", pinned.name, pinned.version))
            })?;
            pinned.url = offer.original.url;
        }
        Ok(Chosen { pinned, form: offer.form, file })
    }

    /// Adds its files to those of others. Returns what is to be imported to try it.
    pub(super) fn unpack(
        &self,
        archive: &[u8],
        files: &mut Files,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<String>, PackageError> {
        let Pinned { name, version, .. } = &self.pinned;
        let imports = match self.form {
            Form::Pure => Vec::new(),
            Form::WithoutMachineCode => {
                optional::imports(name).unwrap_or_default().iter().map(|&text| text.into()).collect()
            }
            Form::Source => {
                return sdist::unpack(name, version, (&self.file, archive), files)
                    .map_err(|why| PackageError::NotPure(refusal::source_only(name, version, &why)));
            }
            Form::StandIn => {
                if let Some(note) = standin::add(name, version, files) {
                    warnings.push(note);
                }
                return Ok(Vec::new());
            }
        };
        let twice = wheel::unpack(name, version, (archive, self.form == Form::WithoutMachineCode), files)?;
        warnings.extend(
            twice
                .iter()
                .map(|path| format!("{name} brings {path:?}, too, but not the same: the other package's is kept")),
        );
        Ok(imports)
    }
}
