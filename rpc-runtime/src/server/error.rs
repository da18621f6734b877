//! Owns [`BindError`]: why a server does not begin.

use std::error::Error;
use std::fmt;

use crate::discovery::DiscoveryError;

/// Why a server cannot listen, or cannot be found.
#[derive(Debug)]
pub struct BindError {
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BindError {
    pub(super) fn new(uri: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            what: format!("cannot listen at `{}`: {source}", uri.escape_debug()),
            source: Some(Box::new(source)),
        }
    }

    pub(super) fn twice(name: &str) -> Self {
        let what = format!(
            "two services are named `{name}`: give one another name with `#[rpc_service(name = \"…\")]`"
        );
        Self { what, source: None }
    }

    pub(super) fn not_registered(mistake: DiscoveryError) -> Self {
        Self { what: format!("the server cannot register: {mistake}"), source: Some(Box::new(mistake)) }
    }

    pub(super) fn shards(source: std::io::Error) -> Self {
        Self { what: format!("cannot start the shards: {source}"), source: Some(Box::new(source)) }
    }

    pub(super) fn nowhere() -> Self {
        Self { what: "the server listens nowhere: call `bind` first".to_owned(), source: None }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
