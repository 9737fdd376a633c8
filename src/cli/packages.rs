//! Packages, for every command that gets some.

use super::client::Refusal;
use super::progress::Progress;
use super::{Exit, complain};
use crate::packages::{self, PackageError, Resolver, Step};
use crate::requirement::Request;
use crate::serve::config::{PackageConfig, this_program};
use cronbox_runtime::{Bundle, Pool};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long what was resolved is taken without asking the index again.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// The packages of a script that is run without a server: those that an earlier run brought, or new ones.
pub(super) async fn packages_for(
    request: &Request,
    from: &PackageConfig,
    offline: bool,
    pool: &Pool,
) -> Result<Arc<Bundle>, Refusal> {
    let config = from.resolver(&this_program(), None).map_err(|error| Refusal::usage(error.to_string()))?;
    // A set with its code objects, by what was asked for and of whom; another interpreter would compile it anew.
    // So might another build of this program, which has parts of some packages itself.
    let of = serde_json::json!([
        request,
        format!("{:?}", config.index),
        cronbox_runtime::GUEST_FACTS,
        cronbox_runtime::BUILD,
    ]);
    let of = of.to_string();
    let kept = config.cache.join("sets").join(format!("{}.bundle", hex::encode(Sha256::digest(of))));
    let known = Kept::read(&kept);
    if let Some(known) = known.as_ref().filter(|known| offline || known.age < FRESH) {
        return Ok(known.files.clone());
    }
    if offline {
        let why = format!("packages that no run has brought yet: {}; run it once without --offline", request.names());
        return Err(refusal(&PackageError::Offline(why)));
    }
    let progress = Progress::new(false);
    let tell = |step: Step| progress.show(&format!("{} packages", step.name()), step.done().zip(step.total()));
    let found = Resolver::new(config).resolve(request, &tell).await;
    progress.clear();
    let resolved = match (found, known) {
        (Ok(resolved), _) => resolved,
        (Err(error @ (PackageError::IndexAway(_) | PackageError::TimedOut)), Some(known)) => {
            complain(&format!("note: the packages are those of an earlier run: {error}"));
            return Ok(known.files);
        }
        (Err(error), _) => return Err(refusal(&error)),
    };
    for warning in &resolved.warnings {
        complain(&format!("note: {warning}"));
    }
    tell(Step::Compiling);
    let files = packages::compiled(pool, &resolved.files).await.map_err(|error| refusal(&error))?;
    let files = Arc::new(files);
    packages::tried(pool, &files, &resolved.trials).await.map_err(|error| refusal(&error))?;
    // A cache that cannot be written costs the next run its time.
    let _ = keep(&kept, files.bytes());
    Ok(files)
}

fn refusal(error: &PackageError) -> Refusal {
    let exit = match error {
        PackageError::Unsatisfiable(_) | PackageError::NotPure(_) | PackageError::BadWheel(_) => Exit::Usage,
        _ => Exit::Unavailable,
    };
    Refusal(exit, error.to_string())
}

/// A set that an earlier run brought.
struct Kept {
    files: Arc<Bundle>,
    age: Duration,
}

impl Kept {
    fn read(path: &Path) -> Option<Self> {
        let age = std::fs::metadata(path).and_then(|file| file.modified()).ok()?.elapsed().unwrap_or_default();
        // The digest of its content goes before it: half a file, or one that somebody changed, is none.
        let content = std::fs::read(path).ok()?;
        let (digest, bytes) = content.split_at_checked(32)?;
        let same = Sha256::digest(bytes)[..] == *digest;
        let files = Bundle::from_bytes(bytes).ok().filter(|_| same)?;
        Some(Kept { files: Arc::new(files), age })
    }
}

fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    packages::write_whole(path, &[&Sha256::digest(bytes)[..], bytes].concat())
}
