//! An evil server and a real client in a process of its own: what each call ends with, what is known of it, what the evil one
//! hears, and that calls of the same process to an honest server notice nothing.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::bytes::{
    CALL, CANCEL, EAGER, ERROR, GOAWAY, HELLO, ITEM, LONGEST, MORE, NIL, OPEN, PREFACE, REPLY, array, bare,
    bin, call, credit, end, frame, goaway, greeting, item, joined, map, name, ping, text, uint,
};
use crate::honest::{HONEST, Latencies};
use crate::peer::{PATIENCE, Peer};
use crate::server::{Program, Server};

use Ends::{Failed, Well};
use Parting::{Closed, Kept, Own, Told};

/// What the evil server does on each connection.
enum Deed {
    /// Says this at once, and reads on.
    Says(Vec<u8>),
    /// Shakes hands, waits for the call, and says this.
    Answers(Vec<u8>),
    /// The same, and closes.
    AnswersAndCloses(Vec<u8>),
    /// Anything else, when hands are shaken.
    Script(fn(&mut Peer)),
}

struct Case {
    name: &'static str,
    fault: &'static str,
    deed: Deed,
    /// The line that says which call is made.
    method: &'static str,
    ends: Ends,
    parting: Parting,
}

/// What becomes of the connection, for the evil one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parting {
    /// It is told this code, and then closed.
    Told(u64),
    /// It is closed. What it is told may be lost, when the kernel resets a connection that has more to say.
    Closed,
    /// It stays until the client leaves.
    Kept,
    /// It is the evil one who ends it.
    Own,
}

/// How the call ends.
enum Ends {
    /// With this value.
    Well(&'static str),
    /// With this code, delivery, and words.
    Failed(&'static str, &'static str, &'static str),
}

const ADD: &str = r#""method":"add","args":[2,3]"#;
const ECHO: &str = r#""method":"echo","args":[{"bytes":"aGVsbG8="}]"#;
const GENERATE: &str = r#""method":"generate","args":[3,1]"#;

/// The time that a call has which nothing else ends.
const SHORT: Duration = Duration::from_millis(1_500);
/// The time that the others have: it is no matter.
const LONG: Duration = Duration::from_secs(20);

fn case(name: &'static str, fault: &'static str, deed: Deed, ends: Ends) -> Case {
    let parting = if matches!(deed, Deed::AnswersAndCloses(_)) { Own } else { Kept };
    Case { name, fault, deed, method: ADD, ends, parting }
}

/// An answer that breaks the protocol: the connection is lost, and what became of the call is not known.
fn fatal(name: &'static str, fault: &'static str, answer: Vec<u8>, words: &'static str) -> Case {
    let ends = Failed("unavailable", "unknown", words);
    Case { parting: Told(13), ..case(name, fault, Deed::Answers(answer), ends) }
}

/// The same for a call with a stream.
fn fatal_stream(
    name: &'static str,
    fault: &'static str,
    delivery: &'static str,
    answer: Vec<u8>,
    words: &'static str,
) -> Case {
    let ends = Failed("unavailable", delivery, words);
    Case { method: GENERATE, parting: Told(13), ..case(name, fault, Deed::Answers(answer), ends) }
}

fn reply(id: u32, body: &[u8]) -> Vec<u8> {
    frame(REPLY, 0, id, joined([&[NIL][..], body]))
}

fn error(flags: u8, code: u64, words: &str) -> Vec<u8> {
    frame(ERROR, flags, 1, joined([uint(code), text(words), vec![NIL]]))
}

fn greetings() -> Vec<Case> {
    let says = |name, fault, code, said: &[u8]| {
        let ends = Failed("unavailable", "not_sent", "connection");
        Case { parting: Told(code), ..case(name, fault, Deed::Says(said.to_vec()), ends) }
    };
    let hello = |body: &[u8]| joined([&PREFACE[..], &frame(HELLO, 0, 0, body)]);
    vec![
        says("HTTP", "W1", 12, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        says("a TLS alert", "W1", 12, &[0x15, 3, 1, 0, 2, 2, 40]),
        says("version 2", "W1", 12, b"\xc1RPC\x02"),
        says("a frame before HELLO", "W13", 13, &joined([&PREFACE[..], &ping(1)])),
        says("a HELLO that is no map", "W10", 13, &hello(&[0x90])),
        says("a HELLO of 2^32 - 1 entries", "W8", 13, &hello(&[0xdf, 255, 255, 255, 255])),
        says("a frame too long", "W3", 13, &joined([&PREFACE[..], &(LONGEST + 1).to_be_bytes()])),
        // Calls wait for a HELLO under their own time.
        case("silence", "P10", Deed::Says(vec![]), Failed("deadline_exceeded", "not_sent", "")),
        case(
            "half a HELLO",
            "P10",
            Deed::Says(hello(&[0x80])[..9].to_vec()),
            Failed("deadline_exceeded", "not_sent", ""),
        ),
        case(
            "a HELLO that takes no calls",
            "A13",
            Deed::Says(hello(&map(&[(text("in_flight"), uint(0))]))),
            Failed("deadline_exceeded", "not_sent", ""),
        ),
        case(
            "a HELLO that takes no bytes",
            "A13",
            Deed::Says(hello(&map(&[(text("message"), uint(0))]))),
            Failed("resource_exhausted", "not_sent", "message limit of 0 bytes"),
        ),
    ]
}

fn answers() -> Vec<Case> {
    let never = "which was never opened";
    let ends = |name, fault, answer: Vec<u8>, ends| case(name, fault, Deed::Answers(answer), ends);
    let undecodable = |name, fault, value: &[u8]| {
        case(name, fault, Deed::Answers(reply(1, value)), Failed("internal", "executed", ""))
    };
    vec![
        ends("an answer as it should be", "A13", reply(1, &[5]), Well("5")),
        ends("silence", "A13", vec![], Failed("deadline_exceeded", "unknown", "")),
        fatal("an answer to somebody else's call", "A12", reply(3, &[5]), never),
        fatal("an answer to its own call", "W13", reply(2, &[5]), "wrong end of call 2"),
        fatal("an answer with id 0", "W14", reply(0, &[5]), "id 0"),
        fatal("an answer without its head", "W6", bare(REPLY, 1), "ends inside its metadata"),
        fatal("an answer with a flag of no version", "W12", frame(REPLY, 0x80, 1, [NIL, 5]), "flags 0x80"),
        fatal("a second HELLO", "W13", frame(HELLO, 0, 0, [0x80]), "a second HELLO"),
        fatal("a length of 0", "W3", vec![0; 4], "length 0"),
        Case { parting: Told(12), ..fatal("an unknown kind", "W12", bare(0x3f, 0), "kind 0x3f") },
        ends("kinds that are skipped", "W12", joined([bare(0x80, 9), reply(1, &[5])]), Well("5")),
        fatal("an error of two minds", "W12", frame(ERROR, 0x0c, 1, [1, 0xa0, NIL]), "flags 0x0c"),
        fatal("a code beyond u16", "W10", error(0, 1 << 16, "x"), "error code"),
        ends("code 0", "W10", error(4, 0, "x"), Failed("unknown", "executed", "x")),
        ends("a code that nobody has", "W10", error(0, 999, "x"), Failed("code_999", "refused", "x")),
        ends(
            "an error with everything in it",
            "P23",
            error(4, 13, "\u{1b}[31m\n"),
            Failed("internal", "executed", ""),
        ),
        ends(
            "an error of 200 KB",
            "W17",
            error(4, 13, &"x".repeat(200_000)),
            Failed("internal", "executed", "xxx"),
        ),
        undecodable("no value", "W6", &[]),
        undecodable("two values", "W11", &[5, 5]),
        undecodable("the byte that MessagePack never uses", "W10", &[0xc1]),
        undecodable("a value nested 100,000 deep", "W7", &[0x91; 100_000]),
        undecodable("a list of 2^32 - 1", "W8", &[0xdd, 255, 255, 255, 255]),
        undecodable("100,000 empty lists", "W9", &array(vec![[0x90]; 100_000])),
        fatal("a single frame that nobody granted", "W16", reply(1, &vec![0; EAGER + 1]), "than was granted"),
        ends(
            "an answer larger than may be",
            "W3",
            frame(REPLY, MORE, 1, [255, 255, 255, 255, NIL, 1, 2]),
            Failed("resource_exhausted", "executed", "4294967295"),
        ),
        fatal(
            "an answer with an empty part",
            "A5",
            joined([frame(REPLY, MORE, 1, [0, 0, 0, 9, NIL, 1]), bare(REPLY, 1)]),
            "empty part",
        ),
        ends(
            "an answer that begins and never ends",
            "P10",
            frame(REPLY, MORE, 1, [0, 0, 0, 9, NIL, 1]),
            Failed("deadline_exceeded", "unknown", ""),
        ),
        ends(
            "metadata that is none",
            "W17",
            frame(REPLY, 0, 1, joined([map(&[(text("A B"), text("v"))]), vec![5]])),
            Well("5"),
        ),
        fatal("metadata of another shape", "W10", frame(REPLY, 0, 1, [0x90, 5]), "metadata"),
        fatal("a grant that was not asked for", "W15", joined([credit(1, 5), credit(3, 5)]), never),
        fatal("items that were not asked for", "A12", item(1, &[1]), "has no place for one"),
        fatal("an end of a stream that is none", "W13", end(1), "has no place for one"),
    ]
}

fn streams() -> Vec<Case> {
    let open = || frame(ITEM, OPEN, 1, [NIL]);
    let no_place = "has no place for one";
    let large = frame(ITEM, MORE, 1, joined([&u32::MAX.to_be_bytes()[..], &[1]]));
    vec![
        Case {
            method: GENERATE,
            ..case("a stream of nothing", "A13", Deed::Answers(joined([open(), end(1)])), Well("null"))
        },
        fatal_stream("a value in place of a stream", "W13", "unknown", reply(1, &[5]), no_place),
        fatal_stream("items of a stream that is not open", "W13", "unknown", item(1, &[1]), no_place),
        fatal_stream("a stream opened twice", "W13", "executed", joined([open(), open()]), no_place),
        fatal_stream("an item without a byte", "A5", "executed", joined([open(), item(1, &[])]), ""),
        fatal_stream(
            "an end inside an item",
            "W6",
            "executed",
            joined([open(), frame(ITEM, MORE, 1, [0, 0, 0, 9, 1]), end(1)]),
            "",
        ),
        // To a client that reads slowly: one that keeps up grants more while they come.
        Case {
            method: r#""method":"generate","args":[3,1],"read_delay_ms":700"#,
            ..fatal_stream(
                "more than there is credit for",
                "A12",
                "executed",
                joined([open(), joined((0..20).map(|_| item(1, &bin(&vec![7; 100_000]))))]),
                "than was granted",
            )
        },
        Case {
            method: GENERATE,
            ..case(
                "an item larger than may be",
                "W3",
                Deed::Answers(joined([open(), large])),
                Failed("resource_exhausted", "executed", "4294967295"),
            )
        },
        Case {
            method: GENERATE,
            ..case(
                "an item that does not decode",
                "W10",
                Deed::Answers(joined([open(), item(1, &[0xc1]), end(1)])),
                Failed("internal", "executed", ""),
            )
        },
        Case {
            method: GENERATE,
            ..case(
                "a stream that is cut",
                "W6",
                Deed::AnswersAndCloses(open()),
                Failed("unavailable", "executed", ""),
            )
        },
    ]
}

fn endings() -> Vec<Case> {
    let closes = |name, fault, said: Vec<u8>, ends| case(name, fault, Deed::AnswersAndCloses(said), ends);
    vec![
        closes("an end without an answer", "W6", vec![], Failed("unavailable", "unknown", "closed")),
        closes(
            "half an answer, and the end",
            "W6",
            reply(1, &[5])[..9].to_vec(),
            Failed("unavailable", "unknown", ""),
        ),
        closes(
            "a GOAWAY with a code, above the call",
            "W13",
            goaway(1, 13),
            Failed("unavailable", "unknown", "so be it"),
        ),
        // It says that nothing was started, on every connection: the call is sent again, and not for ever.
        closes(
            "a GOAWAY below the call, again and again",
            "W13",
            goaway(0, 13),
            Failed("unavailable", "refused", ""),
        ),
        closes(
            "refusals that may be resent, again and again",
            "A13",
            error(8, 14, "busy"),
            Failed("unavailable", "refused", "busy"),
        ),
        Case {
            parting: Closed,
            ..case(
                "a GOAWAY below all ids, and silence",
                "W13",
                Deed::Answers(goaway(0, 0)),
                Failed("unavailable", "refused", "draining"),
            )
        },
    ]
}

/// What a server may do to its client as a caller, or as a mere peer.
fn floods() -> Vec<Case> {
    fn until_gone(peer: &mut Peer, said: &[u8]) {
        peer.hear_kind(CALL);
        // Who is told to go is read on for a second, so that it hears why.
        let began = Instant::now();
        while peer.say(said) {
            assert!(began.elapsed() < PATIENCE, "nobody stops it");
        }
    }
    let flood = |name, fault, script, words| {
        let ends = Failed("unavailable", "unknown", words);
        Case { parting: Closed, ..case(name, fault, Deed::Script(script), ends) }
    };
    vec![
        flood("pings at line rate", "A4", |peer| until_gone(peer, &ping(1).repeat(100)), "unanswered pings"),
        flood(
            "frames to be skipped at line rate",
            "A4",
            |peer| until_gone(peer, &bare(0x80, 0).repeat(1_000)),
            "move nothing",
        ),
        flood(
            "cancels at line rate",
            "A1",
            |peer| until_gone(peer, &bare(CANCEL, 2).repeat(1_000)),
            "never opened",
        ),
        flood(
            "calls at line rate to a client",
            "A12",
            |peer| {
                peer.hear_kind(CALL);
                let mut ids = (1_000..).map(|id| 2 * id);
                while peer.say(&joined(ids.by_ref().take(1_000).map(|id| call(id, "nothing", &[0x90])))) {}
            },
            "more than 1024 calls",
        ),
        flood(
            "names at line rate",
            "P9",
            |peer| {
                peer.hear_kind(CALL);
                while peer.say(&joined((0..2_000).map(|number| name(number, "x")))) {}
            },
            "more than 1024 names",
        ),
    ]
}

/// Answers that go on and on.
fn drops() -> Vec<Case> {
    vec![
        case(
            "an answer in drops",
            "A3",
            Deed::Script(|peer| {
                peer.hear_kind(CALL);
                for byte in reply(1, &bin(&[7; 10_000])) {
                    if !peer.say(&[byte]) {
                        return;
                    }
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }),
            Failed("deadline_exceeded", "unknown", ""),
        ),
        Case {
            method: ECHO,
            ..case(
                "a grant and no end",
                "A13",
                Deed::Script(|peer| {
                    let id = peer.hear_kind(CALL).map_or(0, |call| call.id);
                    peer.say(&frame(
                        REPLY,
                        MORE,
                        id,
                        joined([&(1u32 << 24).to_be_bytes()[..], &[NIL], &[0xc6]]),
                    ));
                    // It is granted all of it, and waits.
                    peer.hear();
                }),
                Failed("deadline_exceeded", "unknown", ""),
            )
        },
    ]
}

// ----- how they are made -----

/// A server for one client.
struct Evil {
    address: String,
    parted: mpsc::Receiver<Parted>,
}

/// How its first connection has ended.
struct Parted {
    told: Option<u64>,
    at: Instant,
}

impl Evil {
    fn listen(deed: Deed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, parted) = mpsc::channel();
        // It ends with the process: nobody connects any more when the client is gone.
        std::thread::spawn(move || {
            let (deed, mut tell) = (Arc::new(deed), Some(tell));
            while let Ok((socket, _)) = listener.accept() {
                // Only of the first one it is told. A client that comes again is treated as badly.
                let (deed, tell) = (Arc::clone(&deed), tell.take());
                std::thread::spawn(move || {
                    let mut peer = Peer::of(socket);
                    let told = deed.done_to(&mut peer);
                    let _ = tell.map(|tell| tell.send(Parted { told, at: Instant::now() }));
                });
            }
        });
        Self { address, parted }
    }
}

impl Deed {
    /// Does it, and reads on to the end: the code of the GOAWAY that comes.
    fn done_to(&self, peer: &mut Peer) -> Option<u64> {
        match self {
            Self::Says(said) => {
                peer.say(said);
                peer.hear_greeting();
            }
            Self::Answers(said) | Self::AnswersAndCloses(said) => {
                peer.say(&greeting());
                peer.hear_greeting();
                // The name of its method comes before it.
                peer.hear_kind(CALL);
                peer.say(said);
            }
            Self::Script(script) => {
                peer.say(&greeting());
                peer.hear_greeting();
                script(peer);
            }
        }
        if matches!(self, Self::AnswersAndCloses(_)) {
            return None;
        }
        let told = peer.hear_kind(GOAWAY)?.values()[1].as_u64();
        peer.hear_end();
        told
    }
}

/// A client with two channels: to the evil server, and to an honest one.
struct Client {
    program: Program,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// How the call to the evil one has ended.
    ended: Option<Value>,
}

impl Client {
    fn start(evil: &str, honest: &str) -> Self {
        let uris = [evil, honest].map(|address| format!("tcp://{address}"));
        let options = ["--connect", &uris[0], "--connect", &uris[1]];
        let mut program = Program::start("conformance-client", "", &options);
        let input = program.child.stdin.take().unwrap();
        let lines = BufReader::new(program.child.stdout.take().unwrap()).lines();
        Self { program, input, lines, ended: None }
    }

    fn call_evil(&mut self, method: &str, timeout: Duration) {
        writeln!(self.input, r#"{{"id":1,{method},"timeout_ms":{}}}"#, timeout.as_millis()).unwrap();
    }

    /// How long a call to the honest one takes, which ends well.
    fn call_honest(&mut self) -> Duration {
        writeln!(self.input, r#"{{"id":2,{ADD},"to":1,"timeout_ms":60000}}"#).unwrap();
        loop {
            let line: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
            match line["id"].as_u64() {
                Some(2) => {
                    assert_eq!(line["ok"].to_string(), "5", "the honest call: {line}");
                    return Duration::from_micros(line["elapsed_us"].as_u64().unwrap());
                }
                _ if line.get("item").is_some() => {}
                _ => self.ended = Some(line),
            }
        }
    }
}

/// Calls to the honest server before each attack.
const CALM: usize = 5;
/// The pause between them: they are company, not load.
const PAUSE: Duration = Duration::from_millis(2);

fn make(case: Case, honest: &str, latencies: &mut Latencies) {
    let evil = Evil::listen(case.deed);
    let mut client = Client::start(&evil.address, honest);
    // The first one connects.
    client.call_honest();
    latencies.calm.extend((0..CALM).map(|_| client.call_honest()));
    let began = Instant::now();
    let timeout = if matches!(case.ends, Failed("deadline_exceeded", ..)) { SHORT } else { LONG };
    client.call_evil(case.method, timeout);
    let ended = loop {
        let took = client.call_honest();
        assert!(took < HONEST, "the honest call took {took:?}");
        latencies.beside.push(took);
        if let Some(ended) = client.ended.take() {
            break ended;
        }
        std::thread::park_timeout(PAUSE);
    };
    // It ends within its time, and what the machine adds.
    assert!(began.elapsed() < timeout + HONEST, "{:?}: {ended}", began.elapsed());
    match case.ends {
        Well(value) => assert_eq!(ended["ok"].to_string(), value, "{ended}"),
        Failed(code, delivery, words) => {
            let error = &ended["rpc_error"];
            assert_eq!(
                (error["code"].as_str(), error["delivery"].as_str()),
                (Some(code), Some(delivery)),
                "{ended}"
            );
            assert!(error["message"].as_str().unwrap().contains(words), "{words}: {ended}");
        }
    }
    let parted = || evil.parted.recv_timeout(PATIENCE).expect("the evil one sees the end");
    match case.parting {
        Told(code) => assert_eq!(parted().told, Some(code), "what the evil one is told"),
        Closed | Own => drop(parted()),
        Kept => {}
    }
    let grown = client.program.peak() / 1024;
    assert!(grown < 64, "it took {grown} MiB");
    client.call_honest();
    let Client { mut program, input, .. } = client;
    let left = Instant::now();
    drop(input);
    let status = program.wait();
    let said = program.said();
    assert!(status.success() && !said.contains("panicked"), "{status}: {said}");
    if case.parting == Kept {
        assert!(parted().at > left, "the connection stays until the client leaves");
    }
}

fn attack(cases: Vec<Case>) {
    let (count, mut broken, mut latencies) = (cases.len(), Vec::new(), Latencies::default());
    let honest = Server::start(&[]);
    for case in cases {
        let (name, fault) = (case.name, case.fault);
        let made = catch_unwind(AssertUnwindSafe(|| make(case, &honest.address, &mut latencies)));
        if let Err(panic) = made {
            broken.push(format!("{fault} {name}: {}", crate::case::words(&*panic)));
        }
    }
    honest.finish();
    assert!(broken.is_empty(), "{} of {count} cases:\n{}", broken.len(), broken.join("\n"));
    latencies.judge();
}

#[test]
fn a_client_outlives_greetings_that_are_none() {
    attack(greetings());
}

#[test]
fn a_client_is_told_what_became_of_its_call_whatever_is_answered() {
    attack(answers());
}

#[test]
fn a_client_takes_no_stream_that_is_none() {
    attack(streams());
}

#[test]
fn a_client_knows_how_its_connection_ended() {
    attack(endings());
}

#[test]
fn a_client_stops_servers_that_flood_it() {
    attack(floods());
    attack(drops());
}
