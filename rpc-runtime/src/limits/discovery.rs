//! The bounds and defaults of finding servers: sources, registrations, our registry. Each with its reason.

use std::time::Duration;

// ----- discovery -----

/// How much an endpoint takes beside others of which nothing else is said: room for finer and for coarser ones.
pub const WEIGHT: u32 = 100;

/// The most that an endpoint may take: two bytes, so that the sum of all weights fits four whatever their number.
pub const WEIGHT_MOST: u32 = 65_535;

/// The longest text of an endpoint, tags and all, in bytes: a source that has been taken over cannot fill the memory.
pub const ENDPOINT_TEXT: usize = 4 * 1024;

/// The most endpoints that a source is believed to have; larger fleets are split before they come here.
pub const ENDPOINTS: usize = 65_536;

/// How long a change of endpoints waits for further ones: those of one deployment step come within milliseconds.
pub const DEBOUNCE: Duration = Duration::from_millis(50);

/// After how many times [`DEBOUNCE`] a change counts though further ones keep coming.
pub const DEBOUNCES: u32 = 10;

/// How long a source may be silent before a list on disk is used, well below the time that a call has; and how often that list is
/// written at most.
pub const COLD_START: Duration = Duration::from_secs(1);

/// The longest list on disk, in bytes: 65,536 endpoints of 256 bytes. A longer one is not written, since it would not be read.
pub const COLD_START_BYTES: u64 = 16 * 1024 * 1024;

/// How often a file with endpoints is looked at: a read of a few kilobytes, which nobody notices once a second.
pub const FILE_LOOK: Duration = Duration::from_secs(1);

/// The first wait of a source, or of a registration, that has failed.
pub const SOURCE_BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// The longest: a source that is there again is found within seconds. It is one request of each process, not one of each call.
pub const SOURCE_BACKOFF_LAST: Duration = Duration::from_secs(2);

/// How long an attempt to register may take.
pub const REGISTER: Duration = Duration::from_secs(5);

/// How long a server is believed to be there without a word of it: three renewals may be lost or late.
pub const LEASE: Duration = Duration::from_secs(10);

/// How often a lease is renewed within its time.
pub const LEASE_RENEWALS: u32 = 3;

/// The shortest lease: below it a pause of a busy machine looks like its end.
pub const LEASE_LEAST: Duration = Duration::from_secs(1);

/// The longest lease: nobody should wait longer for a server that is gone to be forgotten.
pub const LEASE_MOST: Duration = Duration::from_secs(300);

/// How long a shutdown waits until its registrations are taken back; they run out by themselves later.
pub const WITHDRAW: Duration = Duration::from_secs(2);

/// How long a server goes on serving as before after its registrations were taken back, so that clients hear of it first:
/// the way through a registry and a client's [`DEBOUNCE`].
pub const FAREWELL_OF_CLIENTS: Duration = Duration::from_millis(500);

/// How long an answer of etcd may take, connecting included: it is in the same data centre, or of no use.
pub const ETCD_REQUEST: Duration = Duration::from_secs(2);

/// How often etcd is asked whether it is there while a watch says nothing: with [`ETCD_REQUEST`], one that is gone without a word
/// is noticed within four seconds.
pub const ETCD_LOOK: Duration = Duration::from_secs(2);

/// The largest answer, or message of a watch, of etcd, in bytes: thousands of large entries.
pub const ETCD_ANSWER: usize = 16 * 1024 * 1024;

/// How many keys are read from etcd at a time: a megabyte at most, as etcd's own limit of a request is.
pub const ETCD_PAGE: usize = 1_000;

/// How long entries stay of which an etcd knows nothing that has lost its data: longer than a server needs to find out by
/// renewing a [`LEASE`] and to register again.
pub const ETCD_GRACE: Duration = Duration::from_secs(15);

/// The least time that an answer about a name counts, whatever it says itself.
pub const DNS_LEAST: Duration = Duration::from_secs(1);

/// The most: a new server should not wait for longer.
pub const DNS_MOST: Duration = Duration::from_secs(300);

/// How long one name server may take to answer once.
pub const DNS_ATTEMPT: Duration = Duration::from_secs(1);

/// How long an answer about a name may take in all.
pub const DNS_ANSWER: Duration = Duration::from_secs(5);

// ----- the registry -----

/// The most services that a registry knows.
pub const REGISTRY_SERVICES: usize = 10_000;

/// The most services of one endpoint.
pub const REGISTRY_SERVICES_EACH: usize = 64;

/// How many may watch a registry at a time: one of each process that calls, as many as connections.
pub const REGISTRY_WATCHERS: usize = 10_000;

/// How long a registry that was started again waits for servers to come back: a channel's longest wait between attempts.
pub const REGISTRY_GRACE: Duration = Duration::from_secs(30);

/// How long changes of a registry may be in memory alone.
pub const REGISTRY_SAVE: Duration = Duration::from_millis(500);

/// The largest file of a registry, in bytes: 65,536 leases of a kilobyte. A registry takes no lease that would not fit, so that it
/// can always read what it has written.
pub const REGISTRY_BYTES: u64 = 64 * 1024 * 1024;

/// How often those who watch hear of a registry in which nothing changes: a third of the time after which they give it up.
pub const REGISTRY_BEAT: Duration = Duration::from_secs(10);

/// How long a change of a registry waits for others before it is told.
pub const REGISTRY_GATHER: Duration = Duration::from_millis(20);
