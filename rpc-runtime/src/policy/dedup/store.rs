//! Owns [`ReplyStore`]: how instances of a service share what they remember. Does not keep anything.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;

use crate::policy::dedup::key::ReplyKey;

/// What goes wrong at a store.
pub type StoreError = Box<dyn Error + Send + Sync>;

/// What instances of a service share of their calls, so that a retry may go to any of them: a table of a database, say.
///
/// Each instance remembers its own calls besides, and asks here only for those that it does not know. It needs one promise: of
/// all that [claim](Self::claim) a key, one gets [`Claim::First`] until the key is [released](Self::release) or its time is over.
/// If a store cannot be asked, calls with a key are refused and not run.
#[async_trait]
pub trait ReplyStore: Send + Sync + 'static {
    /// A number, not 0, that all instances with this store have in common, and no others: HELLO tells it to callers.
    fn number(&self) -> u64;

    /// A call with this key is to run here. It is needed for so long; afterwards nobody asks for it.
    async fn claim(&self, key: &ReplyKey, time: Duration) -> Result<Claim, StoreError>;

    /// This came of it, to be kept for so long.
    async fn keep(&self, key: &ReplyKey, reply: Vec<u8>, time: Duration) -> Result<(), StoreError>;

    /// It did not run after all: the next one may claim the key.
    async fn release(&self, key: &ReplyKey) -> Result<(), StoreError>;
}

/// What is known of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a store says one of these three, and there is no fourth")]
pub enum Claim {
    /// Nothing: it is claimed now.
    First,
    /// Another instance has claimed it, and has not kept anything for it yet.
    Running,
    /// What came of it.
    Kept(Vec<u8>),
}
