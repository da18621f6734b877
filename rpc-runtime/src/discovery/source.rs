//! Owns [`Discovery`], a source of endpoints, and [`DiscoveryScheme`], a kind of them. Knows none.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;

use crate::discovery::endpoint::Endpoint;
use crate::discovery::error::DiscoveryError;

/// What a [`Discovery`] says: a whole list each time, or what keeps it from saying one.
pub type Updates = Pin<Box<dyn Stream<Item = Result<Vec<Endpoint>, DiscoveryError>> + Send>>;

/// Where endpoints come from.
pub trait Discovery: Send + Sync + 'static {
    /// What it is of, for errors and logs: `dns://calc.internal:7000`.
    fn name(&self) -> String;

    /// The whole list as it is known, and again on each change. Whole lists, because a difference that is lost cannot be
    /// repaired; who reads them computes differences.
    ///
    /// An `Err` says that the source is away, or that it has said something that cannot be read: what was known stays in force.
    /// The stream does not end: it tries again by itself, with waits that grow. It is polled within a tokio runtime, and what
    /// it holds is given back when it is dropped.
    fn watch(&self) -> Updates;
}

/// A kind of source, chosen by the scheme of an address.
pub trait DiscoveryScheme: Send + Sync + 'static {
    /// The scheme that chooses it.
    fn scheme(&self) -> &'static str;

    /// The source that an address means, of which this is what stands behind `scheme://`. It opens nothing yet.
    ///
    /// # Errors
    ///
    /// When the address cannot be read.
    fn open(&self, address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError>;
}
