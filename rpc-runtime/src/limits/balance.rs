//! The bounds and defaults of balancing, each with its reason.

use std::time::Duration;

/// How often a pick draws before it looks at all: if half of the fleet is not ready, in one of 256 picks.
pub const PICK_DRAWS: usize = 8;

/// How long a new endpoint takes less than its share: as long as response times are remembered.
pub const SLOW_START: Duration = Duration::from_secs(10);

/// What part of its share an endpoint takes at the beginning of its slow start: Dubbo's tenth, enough to find out how it does.
pub const SLOW_START_LEAST: f32 = 0.1;

/// Below which part of sound endpoints nobody is doubted any more: Envoy's half.
pub const PANIC: f64 = 0.5;

/// To how many endpoints connections are kept before a call needs them: a connection costs 6 KiB at the server.
pub const WARM_ENDPOINTS: usize = 64;

/// How many endpoints a call that has not been sent asks for a connection, one after the other.
pub const ENDPOINT_TRIES: usize = 4;

/// How many points an endpoint of the usual weight has on a ring: its part of the keys is then within 9 % of even, mostly.
pub const RING_POINTS: u32 = 128;

/// How far above the mean an endpoint may be loaded before keys leave it: the paper's 1.25.
pub const RING_BOUND: f64 = 1.25;

/// Calls under way below which no endpoint is loaded, whatever the mean is: with a handful of calls the mean says nothing.
pub const RING_LEAST: f64 = 8.0;

/// So many failures in a row eject an endpoint: Envoy's and Finagle's.
pub const EJECT_CONSECUTIVE: u32 = 5;

/// How long the first ejection lasts. (gRFC A50.)
pub const EJECT_BASE: Duration = Duration::from_secs(30);

/// The longest ejection. (gRFC A50.)
pub const EJECT_LONGEST: Duration = Duration::from_secs(300);

/// What part of a fleet may be ejected at a time: beyond it the fault is more likely to be elsewhere.
pub const EJECT_MOST: f64 = 0.5;

/// How often the statistics are looked at. (gRFC A50.)
pub const EJECT_INTERVAL: Duration = Duration::from_secs(10);

/// How long after a failed attempt a balanced channel that is connected to none of its endpoints tries one again for a call's sake.
/// A server that is restarted is back within some ten milliseconds, while the next one leaves already. It grows as
/// [`BACKOFF_FIRST`](super::BACKOFF_FIRST) does, up to that: each server of a fleet that is away as a whole meets less than twenty such attempts of
/// each client in the first five seconds, and then one a second.
pub const URGENT_FIRST: Duration = Duration::from_millis(10);

/// How often servers are asked to tell how loaded they are, where weights follow from that: what is older has mostly changed.
pub const LOAD_REPORT: Duration = Duration::from_secs(1);

/// The least time between two reports of a server's load, whatever is asked for: within less hardly anything has ended.
pub const LOAD_REPORT_LEAST: Duration = Duration::from_millis(100);

/// How long a report counts when no further one comes: some may be late.
pub const LOAD_VALID: Duration = Duration::from_secs(10);

/// How many connections there may be to one endpoint: with as many cores at work for it a server mostly has none left.
pub const ENDPOINT_CONNECTIONS: usize = 4;

/// How many calls under way a connection to an endpoint has before there is a further one: half of what servers take of one. So many
/// come together where handlers are slow, which a further connection neither helps nor hurts, or where one core has no more to give.
pub const CONNECTION_CALLS: u32 = 512;

/// How long half of the calls must do with one connection less until that is given up.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(60);

/// How often that is looked at while there are further ones.
pub const CONNECTION_LOOK: Duration = Duration::from_secs(1);
