//! Owns [`Case`]: a row of a table, and what is held beside each: [`attack`] makes them all against one server.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::time::Instant;

use crate::bytes::{self, CALL, ERROR, GOAWAY, REPLY};
use crate::honest::{HONEST, Honest, Latencies, Story};
use crate::peer::{PATIENCE, Peer};
use crate::server::Server;

/// What a hostile peer does.
#[derive(Debug)]
pub(crate) enum Attack {
    /// Connects and says this in place of a greeting.
    Stranger(Vec<u8>),
    /// Shakes hands and says this.
    Frames(Vec<u8>),
    /// Anything else; what it sees of the effect, it asserts by itself.
    Script(fn(&Server)),
}

/// What comes of it for the one who does it.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A GOAWAY with this code and these words, and the end.
    Goaway(u64, &'static str),
    /// This call ends with an ERROR of this code and these words, and the connection goes on.
    Error(u32, u64, &'static str),
    /// This call ends with this value, and the connection goes on.
    Reply(u32, Vec<u8>),
    /// Nothing: the connection goes on.
    Ignored,
    /// Asserted by the script.
    Scripted,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The fault's number where faults are listed: W of the wire, A of abuse, P of a promise.
    pub(crate) fault: &'static str,
    attack: Attack,
    effect: Effect,
    /// Handlers that it starts, where that is certain.
    started: Option<u64>,
    /// Calls that are refused, by reason; `None` where that is not certain.
    refused: Option<BTreeMap<&'static str, u64>>,
    /// By how much the server may grow meanwhile, in MiB.
    memory: usize,
}

/// What a case costs in memory where nothing else is said: buffers of its connection, and what an allocator keeps.
const MEMORY: usize = 16;

impl Case {
    pub(crate) fn new(name: &'static str, fault: &'static str, attack: Attack, effect: Effect) -> Self {
        // The call by which it is seen that a connection goes on.
        let started = match effect {
            Effect::Reply(..) => Some(2),
            Effect::Error(..) | Effect::Ignored => Some(1),
            Effect::Goaway(..) => Some(0),
            Effect::Scripted => None,
        };
        Self { name, fault, attack, effect, started, refused: Some(BTreeMap::new()), memory: MEMORY }
    }

    /// A script, which says what it starts.
    pub(crate) fn script(name: &'static str, fault: &'static str, script: fn(&Server)) -> Self {
        Self::new(name, fault, Attack::Script(script), Effect::Scripted)
    }

    pub(crate) fn starts(mut self, handlers: u64) -> Self {
        self.started = Some(handlers);
        self
    }

    /// It may start handlers or not, by what is read together.
    pub(crate) fn starts_some(mut self) -> Self {
        self.started = None;
        self
    }

    pub(crate) fn refused(mut self, why: &'static str, calls: u64) -> Self {
        self.refused.get_or_insert_default().insert(why, calls);
        self
    }

    pub(crate) fn refused_any(mut self) -> Self {
        self.refused = None;
        self
    }

    pub(crate) fn memory(mut self, mib: usize) -> Self {
        self.memory = mib;
        self
    }
}

/// Frames, and what comes of them.
pub(crate) fn frames(name: &'static str, fault: &'static str, sent: Vec<u8>, effect: Effect) -> Case {
    Case::new(name, fault, Attack::Frames(sent), effect)
}

/// Makes all of them, one after the other, against a server with these limits.
pub(crate) fn attack(limits: &[&str], cases: Vec<Case>) {
    let server = Server::start(limits);
    attack_server(&server, cases);
    server.finish();
}

/// The same where the server is there.
pub(crate) fn attack_server(server: &Server, cases: Vec<Case>) {
    let honest = Honest::call(&server.address);
    let (mut broken, mut latencies) = (Vec::new(), Latencies::default());
    let count = cases.len();
    for case in cases {
        let (name, fault) = (case.name, case.fault);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| make(server, &honest, case, &mut latencies))) {
            broken.push(format!("{fault} {name}: {}", words(&*panic)));
        }
    }
    assert!(broken.is_empty(), "{} of {count} cases:\n{}", broken.len(), broken.join("\n"));
    latencies.judge();
}

pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?")
}

/// Calls of the honest client before each attack.
const CALM: usize = 5;

fn make(server: &Server, honest: &Honest, case: Case, latencies: &mut Latencies) {
    let mut before = at_rest(honest);
    let enough = latencies.calm.len() + CALM;
    while latencies.calm.len() < enough {
        before = honest.story();
        latencies.calm.append(&mut before.took);
    }
    let began = Instant::now();
    server.program.forget_peak();
    let resident = server.program.resident();
    match &case.attack {
        Attack::Script(script) => script(server),
        Attack::Stranger(said) => {
            let mut peer = Peer::stranger(&server.address);
            peer.say(said);
            peer.hear_greeting();
            feels(peer, &case.effect);
        }
        Attack::Frames(said) => {
            let mut peer = Peer::shaken(&server.address);
            peer.say(said);
            feels(peer, &case.effect);
        }
    }
    let took = began.elapsed();
    let story = at_rest(honest);
    assert!(story.failures.is_empty(), "the honest client: {:?}", story.failures);
    let longest = story.took.iter().max().copied().unwrap_or_default();
    assert!(longest < HONEST, "the honest client waited {longest:?}");
    latencies.beside.extend(story.took);
    let grown = server.program.peak().saturating_sub(resident) / 1024;
    // Seen with `--nocapture`.
    println!("{:4} {:60} {took:8.1?}, honest calls {:8.1?}, {grown} MiB", case.fault, case.name, longest);
    assert!(grown <= case.memory, "it grew by {grown} MiB, where {} are allowed", case.memory);
    for (why, count) in &story.counts.refused {
        let earlier = before.counts.refused.get(why).copied().unwrap_or(0);
        if let Some(expected) = &case.refused {
            let expected = expected.get(&why[..]).copied().unwrap_or(0);
            assert_eq!(count - earlier, expected, "calls refused as {why}");
        }
    }
    if let Some(expected) = case.started {
        let own = story.calls - before.calls;
        assert_eq!(story.counts.started - before.counts.started - own, expected, "handlers started");
    }
    assert_eq!(story.counts.panicked, before.counts.panicked, "handlers that panicked");
}

/// What is seen of the effect on a connection that has just said something.
fn feels(mut peer: Peer, effect: &Effect) {
    let first = match effect {
        Effect::Goaway(code, words) => {
            let frame = peer.hear_kind(GOAWAY).expect("a GOAWAY before the end");
            assert_eq!(frame.values()[1].as_u64(), Some(*code), "{}", frame.words());
            assert!(frame.words().contains(words), "{words}: {}", frame.words());
            return peer.hear_end();
        }
        Effect::Error(id, code, words) => {
            let frame = peer.hear().expect("an ERROR");
            assert_eq!((frame.kind, frame.id), (ERROR, *id), "{frame:?} {}", frame.words());
            assert_eq!(frame.values()[0].as_u64(), Some(*code), "{}", frame.words());
            assert!(frame.words().contains(words), "{words}: {}", frame.words());
            true
        }
        Effect::Reply(id, value) => {
            let frame = peer.hear().expect("a REPLY");
            assert_eq!((frame.kind, frame.id), (REPLY, *id), "{frame:?} {}", frame.words());
            assert_eq!(frame.body[1..], value[..]);
            true
        }
        Effect::Ignored | Effect::Scripted => false,
    };
    goes_on(&mut peer, 0x7fff_fff1, first);
}

/// The connection carries calls as before. Every frame for another call would be one too many.
fn goes_on(peer: &mut Peer, id: u32, after: bool) {
    peer.say(&bytes::call(id, "add", &[0x92, 2, 3]));
    let frame = peer.hear().expect("the connection goes on");
    let text = if frame.kind == CALL { String::new() } else { frame.words() };
    assert_eq!((frame.kind, frame.id), (REPLY, id), "{frame:?} {text} (after an answer: {after})");
    assert_eq!(frame.body, [bytes::NIL, 5]);
}

/// The same for scripts.
pub(crate) fn still_carries_calls(peer: &mut Peer, id: u32) {
    goes_on(peer, id, true);
}

/// What the honest client has to tell once nobody else has a connection and nothing is at work.
fn at_rest(honest: &Honest) -> Story {
    let began = Instant::now();
    let mut took = Vec::new();
    loop {
        let mut story = honest.story();
        took.append(&mut story.took);
        let counts = &story.counts;
        if (counts.connections, counts.in_flight) == (1, 1) {
            let ended = counts.finished + counts.cancelled + counts.panicked;
            assert_eq!(counts.started, ended + 1, "each handler that was started has ended: {counts:?}");
            story.took = took;
            return story;
        }
        assert!(began.elapsed() < PATIENCE, "it does not come to rest: {counts:?}");
    }
}
