//! Where packages come from.

use super::BadSetting;
use crate::config;
use crate::packages::{Index, PACKAGE_PROCESS, ResolverConfig};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where packages come from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Packages")]
pub struct PackageConfig {
    /// Where packages come from: the address of an index, or a directory of wheels [default: the resolver's]
    #[arg(long, value_name = "URL|DIR", env = "CRONBOX_INDEX")]
    pub index: Option<String>,
    /// The resolver of packages [default: uv beside this program, or in the search path]
    #[arg(long, value_name = "FILE", env = "CRONBOX_UV")]
    pub uv: Option<PathBuf>,
    /// Where fetched packages are kept [default: packages in cronbox's cache directory]
    #[arg(long, value_name = "DIR", env = "CRONBOX_PACKAGE_CACHE")]
    pub package_cache: Option<PathBuf>,
}

impl PackageConfig {
    /// How packages are resolved, by a process of this program. `otherwise` is where they are kept when no setting names
    /// a directory and the user has no home.
    pub fn resolver(&self, program: &Path, otherwise: Option<PathBuf>) -> Result<ResolverConfig, BadSetting> {
        let cache = self.package_cache.clone().or_else(config::package_cache).or(otherwise);
        let cache = cache.ok_or_else(|| {
            BadSetting::new("package-cache", "there is no home directory to keep packages in; name a directory")
        })?;
        // A directory is looked at here: commands that need no packages have the flag too.
        let index = self.index.as_deref().map_or(Ok(Index::Usual), Index::parse);
        Ok(ResolverConfig {
            command: vec![program.into(), PACKAGE_PROCESS.into()],
            uv: self.uv.clone(),
            index: index.map_err(|why| BadSetting::new("index", why))?,
            cache,
        })
    }
}
