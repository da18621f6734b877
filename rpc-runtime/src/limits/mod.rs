//! Every bound and default of the runtime, each with its reason. Nothing here is computed from anything else
//! at run time; what a user can change is changed through the builders that name these constants.

mod balance;
mod discovery;

use std::time::Duration;

pub use balance::{
    CONNECTION_CALLS, CONNECTION_IDLE, CONNECTION_LOOK, EJECT_BASE, EJECT_CONSECUTIVE, EJECT_INTERVAL,
    EJECT_LONGEST, EJECT_MOST, ENDPOINT_CONNECTIONS, ENDPOINT_TRIES, LOAD_REPORT, LOAD_REPORT_LEAST,
    LOAD_VALID, PANIC, PICK_DRAWS, RING_BOUND, RING_LEAST, RING_POINTS, SLOW_START, SLOW_START_LEAST,
    URGENT_FIRST, WARM_ENDPOINTS,
};
pub use discovery::{
    COLD_START, COLD_START_BYTES, DEBOUNCE, DEBOUNCES, DNS_ANSWER, DNS_ATTEMPT, DNS_LEAST, DNS_MOST,
    ENDPOINT_TEXT, ENDPOINTS, ETCD_ANSWER, ETCD_GRACE, ETCD_LOOK, ETCD_PAGE, ETCD_REQUEST,
    FAREWELL_OF_CLIENTS, FILE_LOOK, LEASE, LEASE_LEAST, LEASE_MOST, LEASE_RENEWALS, REGISTER, REGISTRY_BEAT,
    REGISTRY_BYTES, REGISTRY_GATHER, REGISTRY_GRACE, REGISTRY_SAVE, REGISTRY_SERVICES,
    REGISTRY_SERVICES_EACH, REGISTRY_WATCHERS, SOURCE_BACKOFF_FIRST, SOURCE_BACKOFF_LAST, WEIGHT,
    WEIGHT_MOST, WITHDRAW,
};

// ----- frames -----

/// The most payload bytes that one frame carries. Large enough that a bulk transfer pays one header for a
/// quarter of a megabyte, small enough that a small message never waits long behind one.
pub const FRAME: usize = 256 * 1024;

/// The most payload that a frame carries while other messages wait: 64 KiB cost nothing measurable in
/// throughput against 256 KiB, and halve the wait of a small message behind a large one.
pub const FRAME_SHARED: usize = 64 * 1024;

/// A payload has a connection to itself, and is cut into frames of [`FRAME`], once so many bytes of it went out and
/// nothing else did: a caller that makes one small call after the other pauses between them.
pub const QUIET: usize = 4 * 1024 * 1024;

/// The longest frame by its length field. The 64 bytes beyond [`FRAME`] leave room for kind, flags, id and the
/// total that a first fragment begins with.
pub const FRAME_LENGTH: usize = FRAME + 64;

/// Payloads up to this size are copied into the output as soon as they are given; larger ones are cut into
/// frames when there is room. A copy of 16 KiB costs about a microsecond.
pub const INLINE_PAYLOAD: usize = 16 * 1024;

// ----- messages -----

/// The largest payload (arguments, reply or error detail) of one message, both ways, in bytes.
pub const MESSAGE: usize = 16 * 1024 * 1024;

/// The deepest nesting of arrays and maps in a payload. A level costs about 3 KiB of stack in a debug build; 64 of
/// the worst shapes take less than 192 KiB, so that decoding fits a thread of 512 KiB with room to spare.
pub const MAX_DEPTH: u8 = 64;

/// The least number of elements that any payload may have: at 256 bytes an element, 16 MiB of values.
pub const MIN_ELEMENTS: u32 = 65_536;

/// The most elements that a payload may have by its size alone, unless its method allows more.
pub const MAX_ELEMENTS: u32 = 1_048_576;

/// A payload may have one element for so many of its bytes, between [`MIN_ELEMENTS`] and [`MAX_ELEMENTS`].
pub const BYTES_PER_ELEMENT: usize = 4;

/// How many newtypes and options may lie on the way to any value. They leave no byte, so no scan can count them:
/// the one byte `01` read as `struct N(Option<Box<N>>)` would recurse for ever.
pub const MAX_WRAPPERS: u16 = 256;

/// The longest key of a metadata entry, in bytes.
pub const METADATA_KEY: usize = 128;

/// The most entries in one metadata map: they are searched one by one.
pub const METADATA_ENTRIES: usize = 64;

/// The most bytes that one metadata map takes on the wire; gRPC implementations have settled on 8 to 16 KiB.
pub const METADATA: usize = 16 * 1024;

/// The longest token, in bytes: signed ones with many claims have two or three thousand, and it must fit the metadata.
pub const TOKEN: usize = 8 * 1024;

/// The longest method name, `"Service.method"`, in bytes.
pub const METHOD_NAME: usize = 256;

/// The longest text of an error or a farewell, in bytes; a longer one is cut. An error must fit one frame.
pub const ERROR_TEXT: usize = 4 * 1024;

/// Places for the futures of handlers that a thread keeps while they are empty: as many as methods are called now and
/// then, and some for handlers that wait at the same time.
pub const HOMES: usize = 32;

/// Boxes for requests, for responses and for calls on their way, of each so many, that a thread keeps while nothing is in them:
/// one is needed while a call passes from hand to hand, and as many as are made or under way together. With as many as a
/// connection has calls in flight none is allocated; a thread keeps a MiB of them at most, if it has had as many.
pub const BOXES: usize = 1024;

/// The largest of these places, in bytes. A thread keeps 128 KiB of them at most.
pub const HOME: usize = 4 * 1024;

// ----- one connection -----

/// Calls that a side lets its peer have open at a time.
pub const IN_FLIGHT: u32 = 1_024;

/// Calls that a side has open at a time, whatever its peer allows. A peer that allows any number and ends none would
/// otherwise decide how much this side remembers.
pub const OPEN: u32 = 16 * IN_FLIGHT;

/// Calls that wait on the sender's side for one of the [`IN_FLIGHT`] places; as many may wait for the connection itself.
pub const QUEUE: usize = 4_096;

/// The bytes that calls waiting to be sent, and large ones waiting for their answer, may hold together.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Calls with a stream that a side lets its peer have open at a time, among the [`IN_FLIGHT`]. Each may hold [`CREDIT`]
/// bytes that nobody has read.
pub const STREAMS: u32 = 128;

/// The bytes of items that a stream may send before its receiver has taken any: enough for 2 Gbit/s at a round trip of
/// a millisecond. A stream that could use more gets more, up to [`CREDIT_MOST`].
pub const CREDIT: usize = 256 * 1024;

/// The least credit of a stream. With less, items would go in crumbs.
pub const CREDIT_LEAST: usize = 1024;

/// The most bytes of items that a stream may have under way and unread: 300 Mbit/s at a round trip of 100 ms.
pub const CREDIT_MOST: usize = 4 * 1024 * 1024;

/// What all streams of a connection may hold together beyond [`CREDIT`] each: one half for those that are fast and far
/// away, the other for single items that are larger than their stream's credit.
pub const CREDIT_SPARE: usize = 64 * 1024 * 1024;

/// What an item costs of its stream's credit beyond its bytes, so that tiny items are paid for too: about what it costs
/// its receiver to keep one.
pub const ITEM_OVERHEAD: usize = 16;

/// Items that are ready at once go out together, up to so many bytes.
pub const BATCH: usize = 16 * 1024;

/// Batches that a stream moves in one go before others have their turn.
pub const BATCHES: usize = 8;

/// How often to look how far the readers of streams have come; a fourth of a shorter idle time.
pub const LOOK: Duration = Duration::from_secs(1);

/// How often at most.
pub const LOOK_LEAST: Duration = Duration::from_millis(5);

/// How long nothing may move on a stream in either direction, unless somebody says otherwise.
pub const IDLE: Duration = Duration::from_secs(60);

/// Method names that a side lets its peer bind to numbers.
pub const NAMES: u32 = 1_024;

/// The bytes of a payload that need no grant. Most payloads are below it and never wait for a round trip.
pub const EAGER: usize = 128 * 1024;

/// What the payloads above [`EAGER`] that a side is receiving, or that have not been dropped yet, may take
/// together on one connection, in bytes: arguments and answers up to one half each, so that two sides whose budgets are
/// full of arguments do not wait for each other's answers.
pub const ASSEMBLY: usize = 64 * 1024 * 1024;

/// What the answers that wait to be cut into frames may take together before no further handler starts.
pub const BULK: usize = 64 * 1024 * 1024;

/// Framed bytes not yet taken by the socket, above which no handler starts and no call is framed.
pub const OUTPUT: usize = 4 * 1024 * 1024;

/// The size at which a segment of the output is closed and a new one begun: one write to the socket.
pub const SEGMENT: usize = 64 * 1024;

/// Bytes that a TCP socket holds and has not sent, above which it takes no more (`TCP_NOTSENT_LOWAT`, where there is
/// one). What it has sent and not heard of does not count, so a long link stays full.
pub const UNSENT: u32 = 64 * 1024;

/// Pings that a peer may have unanswered. An honest one has one.
pub const PINGS: usize = 16;

/// Frames that move nothing which a peer may send at once: pings and their answers, farewells, frames to be skipped, and
/// CANCEL and CREDIT about calls that are over. As many as calls of a peer may be open, since each may be given up while its
/// answer is under way.
pub const VAIN: u32 = OPEN;

/// How often one more of them may come: ten times as often as a side pings that does nothing else, at
/// [`KEEPALIVE_LEAST`].
pub const VAIN_EVERY: Duration = Duration::from_millis(1);

/// How many more may come with each frame that moves something: a stream that ends may have so many grants under way.
pub const VAIN_FORGIVEN: u32 = 8;

/// What the buffers that a thread keeps for the next payloads may take together, in bytes; each is at most
/// [`INLINE_PAYLOAD`] large. It suffices for a thousand calls in flight of a kilobyte each. Those that it keeps for
/// segments of output, each at most [`FRAME`] and [`SEGMENT`] together, may take as much.
pub const BUFFERS: usize = 1024 * 1024;

/// What the buffers of more than [`INLINE_PAYLOAD`] that a process keeps for the next large payloads may take together, in
/// bytes: as much as one connection may be receiving.
pub const LARGE_BUFFERS: usize = 64 * 1024 * 1024;

/// How many of them there may be: they are searched one by one.
pub const LARGE_COUNT: usize = 64;

/// How long such a buffer waits for its use, at least; at most twice as long. A connection in use needs it within
/// milliseconds, and what a second has not needed is better with the system.
pub const LARGE_KEPT: Duration = Duration::from_secs(1);

/// The highest id that a side gives to a call; it then asks for a fresh connection. The distance to the end of
/// `u32` leaves room for calls that are queued already.
pub const LAST_ID: u32 = u32::MAX - 65_536;

/// What one turn of a connection's task reads at most before it writes and other tasks have their turn, in reads of
/// [`READ`] bytes: what is small waits no longer than for so many bytes of what is large.
pub const READS: usize = 2;

/// The size of one read from a transport. The buffer belongs to the thread, so an idle connection holds none.
pub const READ: usize = 64 * 1024;

/// Calls that a turn takes from the machine at a time: their answers go out together.
pub const STARTS: usize = 64;

/// How many groups a connection makes of the calls that wait, if it is the only one at work in its thread, and none becomes
/// smaller than [`STARTS_ALONE`] nor larger than [`STARTS`]. Whoever has 64 calls in flight has the first answers, and makes the
/// next calls, while this side is at the others; with all of them in one write each side would sleep while the other one works.
pub const GROUPS: usize = 4;

/// The smallest such group. A write costs as much as ten small calls, and to wake a core that sleeps as fifty.
pub const STARTS_ALONE: usize = 16;

/// Connections that a server serves at a time. Each costs a descriptor and some kilobytes; 10,000 fit the usual limit
/// of descriptors with room to spare.
pub const CONNECTIONS: usize = 10_000;

/// How old connections must be that give way, where descriptors have run out and their peers have not said HELLO: an honest
/// one says it within a round trip.
pub const STRANGER: Duration = Duration::from_secs(1);

/// Handshakes of transports that a server has under way at a time: beyond it the oldest one gives way. An honest one takes
/// a few milliseconds, so strangers who never go on would have to come a hundred thousand a second to push it out; and
/// what each of them holds meanwhile is a descriptor and some kilobytes.
pub const HANDSHAKES: usize = 1_024;

/// The largest file of certificates or keys that is read, in bytes: the roots of whole systems take a fourth of it.
pub const PEM: u64 = 1024 * 1024;

// ----- time -----

/// How long one turn of a connection's task polls handlers itself. What is left of the batch is given to tasks, or waits for the
/// next turn if the handlers so far were [light](LIGHT): a hundred microseconds are some hundred small handlers, and a delay
/// that nobody notices.
pub const INLINE_TIME: Duration = Duration::from_micros(100);

/// Light handlers of one method that are polled at most between two looks at the clock.
pub const UNTIMED: u32 = 8;

/// Handlers that take no longer than this, on the average of a turn, are light: about twice what it costs to make a task,
/// have it polled elsewhere and write its answer by itself.
pub const LIGHT: Duration = Duration::from_micros(2);

/// How long a call may take in all, unless somebody says otherwise: long enough for most work, short enough that a
/// caller without a timeout notices a callee without an answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How long resolving and connecting may take: one lost SYN and its repetition.
pub const CONNECT: Duration = Duration::from_secs(2);

/// Addresses of one name that an attempt to connect tries: the time for all of them is [`CONNECT`], and nobody has more
/// that differ.
pub const ADDRESSES: usize = 16;

/// How long an attempt to connect goes on alone before the next address of its name is tried beside it: RFC 8305 recommends it.
pub const STAGGER: Duration = Duration::from_millis(250);

/// Steps of attempts to connect that a channel remembers, for the calls whose time runs out meanwhile: one attempt at all
/// [`ADDRESSES`], with a handshake each, and the wait after it.
pub const STEPS: usize = 2 * ADDRESSES + 2;

/// The wait after the first failed attempt to connect; the attempt after a lost connection is made at once.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// By how much it grows with each further failure; gRPC's factor.
pub const BACKOFF_FACTOR: f64 = 1.6;

/// The longest wait between attempts.
pub const BACKOFF_LAST: Duration = Duration::from_secs(30);

/// The longest wait between attempts to reach one of many endpoints, which its source still names. While it is away the others
/// do its work and have nothing to spare, so what they lose goes on for as long as this wait after it is back. A server that a
/// thousand clients have lost is asked 500 times a second.
pub const BACKOFF_LAST_LISTED: Duration = Duration::from_secs(2);

/// The shortest that the longest wait can be set to: below it a client that cannot connect does nothing else.
pub const BACKOFF_LEAST: Duration = Duration::from_millis(100);

/// By how much of itself a wait is moved at random, so that clients do not come back all at once.
pub const BACKOFF_JITTER: f64 = 0.2;

/// How long after certificates and roots were last read the next handshake reads them again. Those who replace them do so
/// hours before the old ones expire; reading a few kilobytes every ten seconds costs nothing that can be measured.
pub const CERTIFICATES_CHECK: Duration = Duration::from_secs(10);

/// How long files that have changed must stay as they are: whoever writes them may be half done. The one handshake that
/// finds the change waits for so long.
pub const CERTIFICATES_SETTLE: Duration = Duration::from_millis(50);

/// How long the first handshake waits for files that do not fit together: whoever replaces them may be between two of them,
/// and there is nothing older to go on with. Half of the time that a client has to connect.
pub const CERTIFICATES_FIRST: Duration = Duration::from_secs(1);

/// How long a server that shuts down waits for accepted calls.
pub const GRACE: Duration = Duration::from_secs(30);

/// The wait after an accept that failed for want of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often the log is told that peers do one thing that they should not: a line a second is enough to see it by, and no disk
/// fills.
pub const WARNING_EVERY: Duration = Duration::from_secs(1);

/// The time of the transport's handshake, if it has one, and again the time between the first byte and the peer's HELLO.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// Silence after which a side asks whether its peer is there.
pub const KEEPALIVE: Duration = Duration::from_secs(20);

/// How long it waits for a sign of life.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest silence and the shortest wait that can be set: below it pings would be a flood of their own.
pub const KEEPALIVE_LEAST: Duration = Duration::from_millis(10);

/// A frame that has begun must bring [`FRAME_PROGRESS_BYTES`] more, or its end, within this time.
pub const FRAME_PROGRESS: Duration = Duration::from_secs(10);

/// See [`FRAME_PROGRESS`]: 100 bytes a second is slower than any link that can carry calls.
pub const FRAME_PROGRESS_BYTES: usize = 1_024;

/// How long a write that stands still may take to move by [`WRITE_PROGRESS_BYTES`], or to its end, before the connection
/// closes.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// See [`WRITE_STALL`]: a peer that takes a byte now and then would hold everything that waits behind it.
pub const WRITE_PROGRESS_BYTES: usize = 1_024;

/// How long a connection that has failed may take to send its last GOAWAY.
pub const FAREWELL: Duration = Duration::from_secs(1);

// ----- policies -----

/// Buckets of a breaker's window: with [`BREAKER_BUCKET`], ten seconds that slide a second at a time. Shorter ones see too
/// few calls of a quiet service, longer ones remember what is over.
pub const BREAKER_BUCKETS: usize = 10;

/// See [`BREAKER_BUCKETS`].
pub const BREAKER_BUCKET: Duration = Duration::from_secs(1);

/// The most buckets of a breaker's window, each of which takes 24 bytes, and 24 more for each method that has its own.
pub const BREAKER_BUCKETS_MOST: usize = 1_000;

/// The shortest bucket: below it a window would hold nothing.
pub const BREAKER_BUCKET_LEAST: Duration = Duration::from_millis(1);

/// The most calls that a breaker's window counts one by one.
pub const BREAKER_COUNT_MOST: usize = 10_000;

/// The calls that a breaker wants to see before it concludes anything: half of 20 by chance alone, where one call in ten
/// fails, comes once in 100,000 windows.
pub const BREAKER_MIN_CALLS: u64 = 20;

/// The share of failed calls at which a breaker opens; resilience4j's.
pub const BREAKER_RATIO: f64 = 0.5;

/// How long a breaker is open for the first time: a restart of a process, or a lost connection made again.
pub const BREAKER_OPEN: Duration = Duration::from_secs(1);

/// How long it is open at most, unless it is told otherwise: nobody waits longer than a minute for what is back.
pub const BREAKER_OPEN_MOST: Duration = Duration::from_secs(60);

/// How long it is open at most, whatever it is told.
pub const BREAKER_OPEN_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// By how much of itself a breaker's time of being open is moved at random, so that callers do not probe all at once.
pub const BREAKER_JITTER: f64 = 0.2;

/// The time spent closed that takes one doubling of a breaker's time of being open back; the sweep of gRPC's A50.
pub const BREAKER_FORGIVE: Duration = Duration::from_secs(10);

/// The probes of a breaker that is half open: one would let chance decide, many would be load.
pub const BREAKER_PROBES: u32 = 3;

/// How long after the latest probe those that have not ended are given up: calls that nobody polls and nobody drops. Longer
/// than any that somebody still waits for.
pub const BREAKER_PROBE: Duration = Duration::from_secs(60);

/// Methods that have a window of their own; further ones share one.
pub const BREAKER_METHODS: usize = 1_024;

/// The longest time between two calls of a rate: rates below one call an hour are one call an hour.
pub const RATE_INTERVAL_MOST: Duration = Duration::from_secs(3_600);

/// The calls of which an adaptive limit takes the mean: with fewer, chance would steer it.
pub const GRADIENT_WINDOW: u32 = 100;

/// How long an adaptive limit trusts what calls took without load. A measurement costs half of the throughput for as long as
/// about two windows take, which is a small part of this.
pub const GRADIENT_MEASURE: Duration = Duration::from_secs(30);

/// How long overload does not make an adaptive limit smaller again, at least: refusals come at once, and many together.
pub const GRADIENT_SHRINK: Duration = Duration::from_millis(10);

/// Calls that wait at a limit: each holds its arguments, and whoever comes behind so many would wait in vain.
pub const LIMIT_QUEUE: usize = 1_024;

/// Where an adaptive limit begins: low enough that no server falls over it, and doubled within a second where it is in use.
pub const ADAPTIVE_FIRST: usize = 20;

/// How long a call waits for a handler at most where load is shed: a caller that waits longer has often gone on already.
pub const SHED_WAIT: Duration = Duration::from_secs(1);

/// When a refused call may come again, at least.
pub const SHED_LATER_LEAST: Duration = Duration::from_millis(1);

/// When a refused call may come again, at most: load may be gone long before a queue would be.
pub const SHED_LATER_MOST: Duration = Duration::from_secs(10);

/// By how much the clocks of who signs tokens and of who takes them may differ: what clocks differ by that somebody sets.
pub const JWT_LEEWAY: Duration = Duration::from_secs(30);

/// The most that may be said of that: beyond it the time of a token means little.
pub const JWT_LEEWAY_MOST: Duration = Duration::from_secs(300);

/// Callers with quotas that a server keeps in mind at a time, some hundred bytes each; further ones share one quota.
pub const QUOTA_CALLERS: usize = 4_096;

/// When a caller who has as many calls at work as he may is told to come again, at least: nobody knows when one of his own
/// ends.
pub const QUOTA_LATER: Duration = Duration::from_millis(100);

/// How much the latest call weighs in the average of what calls take: about the last 64 of them count. With fewer a forecast
/// would be off by more than the quarter that is allowed for.
pub const PACE_WEIGHT: f64 = 1.0 / 64.0;
/// Attempts of a call in all, where it is tried again at all. A third one helps in most of the cases in which a second one
/// did not; a fourth in few.
pub const ATTEMPTS: u32 = 3;

/// What the first wait between attempts is measured by: longer than a round trip, shorter than what people notice.
pub const RETRY_BASE: Duration = Duration::from_millis(50);

/// The longest wait between attempts: a fifth of [`TIMEOUT`], so that a call has a few.
pub const RETRY_CAP: Duration = Duration::from_secs(2);

/// By how much of themselves waits are moved at random where the back-off is not random itself; gRPC's.
pub const RETRY_JITTER: f64 = 0.2;

/// How many times a call is sent again at once because no handler saw it. Those beyond are attempts like any other, so that
/// peers who all refuse are not asked round and round.
pub const RESENDS: u32 = 3;

/// By how much of its base a proportional wait has grown when [`RETRY_T_MAX`] have passed, where nobody says it: to double.
pub const RETRY_ALPHA: f64 = 1.0;

/// From when on a proportional wait grows no further: the time that a call has.
pub const RETRY_T_MAX: Duration = TIMEOUT;

/// Attempts whose ends a call's error tells: more than any sensible policy makes.
pub const HISTORY: usize = 16;

/// Retries and hedges a call that a channel may add: one call in five may be made again, which a server at three quarters of
/// its capacity can bear. Finagle's.
pub const BUDGET_RATIO: f64 = 0.2;

/// The time over which a budget holds: Finagle's, and long enough that a burst of failures meets the budget of more than
/// itself.
pub const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// The parts in which a budget forgets. What is spent counts up to one part longer than [`BUDGET_WINDOW`].
pub const BUDGET_SLOTS: usize = 100;

/// What a budget has beside [`BUDGET_RATIO`]: so many retries for each call, within the two bounds that follow.
pub const BUDGET_FLOOR: f64 = 0.1;

/// The least of that a second, so that channels with few calls can retry at all.
pub const BUDGET_FLOOR_MIN: f64 = 1.0;

/// The most of that a second, so that busy channels live by [`BUDGET_RATIO`].
pub const BUDGET_FLOOR_MAX: f64 = 10.0;

/// What a success brings back of a token, in gRPC's form of a budget, where nobody says it; the example of gRFC A6.
pub const BUDGET_TOKEN_RATIO: f64 = 0.1;

/// The percentile of a method's latency after which a call is sent once more, where none is said: one call in twenty.
pub const HEDGE_PERCENTILE: f64 = 95.0;

/// The shortest time after which a call is sent once more: below it the timer costs more than it can save.
pub const HEDGE_LEAST: Duration = Duration::from_millis(1);

/// The time that observed latencies are of: as long as a load keeps its shape, short enough to follow it.
pub const LATENCY_WINDOW: Duration = Duration::from_secs(30);

/// The parts in which they are forgotten.
pub const LATENCY_SLOTS: usize = 6;

/// Answers that must have been observed before a percentile means anything.
pub const LATENCY_SAMPLES: u32 = 20;

/// Methods whose latency a channel remembers; further ones are not observed. No service comes near it: it is for names that
/// are made up.
pub const METHODS: usize = 4_096;

/// Calls that a server remembers by their keys: with deadlines of ten seconds, 1,600 calls a second.
pub const DEDUP_ENTRIES: usize = 16_384;

/// The bytes that what came of them takes.
pub const DEDUP_BYTES: usize = 16 * 1024 * 1024;

/// The longest that it is remembered: calls have ten seconds, few have minutes.
pub const DEDUP_TIME: Duration = Duration::from_secs(10 * 60);

/// When a call that another instance runs is worth asking for again.
pub const DEDUP_ELSEWHERE: Duration = Duration::from_millis(100);

/// The bytes that a cache's answers take together, with their keys.
pub const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// One answer may take this part of a cache: otherwise a single one would push out all others.
pub const CACHE_SHARE: usize = 8;

/// What it costs to keep an answer beyond its bytes and its key's: entries of tables and their allocations.
pub const CACHE_OVERHEAD: usize = 256;

/// By how much of itself the time of an answer is moved at random, so that what was asked for together does not expire
/// together.
pub const CACHE_JITTER: f64 = 0.1;

/// The longest that an answer is kept: whoever says more means for ever, and a clock cannot hold that.
pub const CACHE_TTL_MOST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
