//! Owns [`DiscoveryError`]: what keeps a source from saying a list. It never ends a call by itself.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a source of endpoints has nothing to say now, or why an address of one means nothing.
#[derive(Clone, Debug)]
pub struct DiscoveryError {
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl DiscoveryError {
    /// An error with these words, which name the source, the cause and what would help.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// What the source or the registry of this name has failed with.
    pub(crate) fn of(name: &str, cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(format!("{name}: {cause}")).with_source(cause)
    }

    /// The same with its cause, as [`Error::source`].
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for DiscoveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
