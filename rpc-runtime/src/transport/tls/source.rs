//! Owns [`Source`] and [`Contents`]: where PEM comes from, and what was read there at one moment. Knows no certificate.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limits;
use crate::transport::tls::TlsError;

/// Where PEM comes from.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Source {
    /// A file, which may change.
    File(PathBuf),
    /// These bytes, for good.
    Bytes(Arc<[u8]>),
}

/// What was read of sources, in their order.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Contents(Vec<Arc<[u8]>>);

impl Source {
    pub(super) fn file(path: impl AsRef<Path>) -> Self {
        Self::File(path.as_ref().to_owned())
    }

    pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().into())
    }

    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// What it is called in errors.
    pub(super) fn name(&self, what: &str) -> String {
        match self {
            Self::File(path) => format!("`{}`", path.display()),
            Self::Bytes(_) => format!("the {what} that was given as bytes"),
        }
    }

    fn read(&self) -> Result<Arc<[u8]>, TlsError> {
        let path = match self {
            Self::Bytes(bytes) => return Ok(Arc::clone(bytes)),
            Self::File(path) => path,
        };
        let mut read = Vec::new();
        // Bounded: a path that leads to a device would be read for ever.
        std::fs::File::open(path)
            .and_then(|file| file.take(limits::PEM + 1).read_to_end(&mut read))
            .map_err(|error| TlsError::Read { path: path.clone(), error })?;
        if read.len() as u64 > limits::PEM {
            return Err(TlsError::TooLarge { what: self.name("PEM"), bytes: read.len() as u64 });
        }
        Ok(read.into())
    }
}

impl Contents {
    /// Reads all of them.
    pub(super) fn read(sources: &[Source]) -> Result<Self, TlsError> {
        sources.iter().map(Source::read).collect::<Result<_, _>>().map(Self)
    }

    /// What was read of each source, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|bytes| &**bytes)
    }
}

impl fmt::Debug for Source {
    /// Never the bytes: they may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Debug::fmt(path, f),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|bytes| bytes.len())).finish()
    }
}
