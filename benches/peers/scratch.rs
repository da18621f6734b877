//! Owns [`Scratch`], the folder of a comparison: sockets in the file system, and the certificate that all servers show.
//! Goes with the comparison.

use std::fs;
use std::path::{Path, PathBuf};

use traitwire::tls::dev::Ca;

use crate::systems::Failure;

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn make() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("traitwire-peers-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let this = Self(folder);
        let ca = Ca::new()?;
        ca.issue_to(&this.0, SERVER, ["127.0.0.1", "localhost"])?;
        fs::write(root(&this.0), ca.pem())?;
        Ok(this)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of it harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SERVER: &str = "server";

/// What clients believe.
pub(crate) fn root(folder: &Path) -> PathBuf {
    folder.join("root.pem")
}

/// What servers show.
pub(crate) fn certificate(folder: &Path) -> PathBuf {
    folder.join(SERVER).with_extension("pem")
}

pub(crate) fn key(folder: &Path) -> PathBuf {
    folder.join(SERVER).with_extension("key")
}
