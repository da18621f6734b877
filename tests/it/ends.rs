//! Every order in which a call with streams can be given items, end, fail and be cancelled, over each transport. The first
//! end that happens decides, and whatever comes behind it changes nothing:
//!
//! | what ends the call | its caller is told | its handler |
//! |---|---|---|
//! | the callee's stream ends, or it replies | all of its items, then the end or the value | has ended |
//! | the callee's error | all of its items, then the error; before OPEN, the error alone | has ended |
//! | the caller's source fails | the callee's items so far, then the caller's own error: `executed` if it has seen OPEN or an item, else `unknown` | is dropped |
//! | the caller cancels | nothing | is dropped, unless it has ended or was never started |
//!
//! The caller's items and their end never end a call; the handler reads those that come before its end, in order.
//! `proto/tests/ends.rs` has the same for the machine alone, with idle times and lost connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver as Receiver, UnboundedSender as Sender, unbounded_channel};
use tokio::task::{JoinHandle, yield_now};
use traitwire::{CallError, Code, Delivery, Server, Streaming, rpc_service};

use super::support::socket_path;

// ----- what happens -----

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    // The caller's.
    Give,
    Finish,
    /// Its source brings an item that the callee does not take.
    Fail,
    Cancel,
    // The callee's.
    Open,
    Item,
    End,
    Reply,
    Error,
}

use Event::{Cancel, End, Error, Fail, Finish, Give, Item, Open, Reply};

impl Event {
    fn ends(self) -> bool {
        matches!(self, Fail | Cancel | End | Reply | Error)
    }

    fn is_callees(self) -> bool {
        matches!(self, Open | Item | End | Reply | Error)
    }
}

/// What a call is told, at either end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    // The caller.
    Opened,
    Received,
    Ended,
    Value,
    App,
    Failed(Code, Delivery),
    // The handler.
    Started,
    Read,
    ReadAll,
    Finished,
    Dropped,
}

/// Which streams a call has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Both,
    Upload,
    Download,
}

/// All orders of the events of a call.
fn orders(form: Form) -> Vec<Vec<Event>> {
    let callers: &[&[Event]] = match form {
        Form::Both | Form::Upload => &[&[Give, Finish], &[Give, Fail]],
        Form::Download => &[&[]],
    };
    let callees: &[&[Event]] = match form {
        Form::Both => &[&[Open, Item, End], &[Open, Item, Error], &[Error]],
        Form::Upload => &[&[Reply], &[Error]],
        Form::Download => &[&[Item, End], &[Item, Error], &[Error]],
    };
    let mut all = Vec::new();
    for (caller, callee) in callers.iter().flat_map(|a| callees.iter().map(move |b| (a, b))) {
        for order in merges(caller, callee) {
            for at in 0..=order.len() {
                all.push([&order[..at], &[Cancel], &order[at..]].concat());
            }
            all.push(order);
        }
    }
    all
}

fn merges(a: &[Event], b: &[Event]) -> Vec<Vec<Event>> {
    let (Some((&x, rest_a)), Some((&y, rest_b))) = (a.split_first(), b.split_first()) else {
        return vec![[a, b].concat()];
    };
    let begun = |first: Event, rest: Vec<Vec<Event>>| {
        rest.into_iter().map(move |rest| [&[first][..], &rest].concat()).collect::<Vec<_>>()
    };
    [begun(x, merges(rest_a, b)), begun(y, merges(a, rest_b))].concat()
}

/// What each event tells the caller, and the handler.
fn tells(event: Event, opened: bool) -> (Option<Told>, Option<Told>) {
    let known = if opened { Delivery::Executed } else { Delivery::Unknown };
    match event {
        Give => (None, Some(Told::Read)),
        Finish => (None, Some(Told::ReadAll)),
        Fail => (Some(Told::Failed(Code::RESOURCE_EXHAUSTED, known)), Some(Told::Dropped)),
        Cancel => (None, Some(Told::Dropped)),
        Open => (Some(Told::Opened), None),
        Item => (Some(Told::Received), None),
        End => (Some(Told::Ended), Some(Told::Finished)),
        Reply => (Some(Told::Value), Some(Told::Finished)),
        Error => (Some(Told::App), Some(Told::Finished)),
    }
}

// ----- the service -----

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Fault;

#[rpc_service]
pub(crate) trait Puppet {
    async fn both(
        &self,
        seat: usize,
        items: Streaming<Vec<u8>>,
    ) -> Result<impl Stream<Item = Result<u32, Fault>>, Fault>;
    async fn upload(&self, seat: usize, items: Streaming<Vec<u8>>) -> Result<u32, Fault>;
    fn download(&self, seat: usize) -> impl Stream<Item = Result<u32, Fault>>;
    /// Answered when the calls before it are started or refused.
    async fn fence(&self);
}

/// Handlers do what the test says, and tell it what they see.
#[derive(Clone, Default)]
struct Strings {
    seats: Arc<Mutex<BTreeMap<usize, Seat>>>,
}

struct Seat {
    steps: Receiver<Event>,
    told: Sender<Told>,
    items: Option<Streaming<Vec<u8>>>,
    fate: Told,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.told.send(self.fate);
    }
}

impl Seat {
    /// The next thing that its handler is to do; reads what the caller sends until then.
    async fn step(&mut self) -> Event {
        loop {
            let item = async {
                match &mut self.items {
                    Some(items) => items.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                step = self.steps.recv() => {
                    let step = step.expect("the test waits for the handler");
                    self.fate = if step.ends() { Told::Finished } else { self.fate };
                    return step;
                }
                item = item => {
                    let told = if item.is_some() { Told::Read } else { Told::ReadAll };
                    assert!(!matches!(item, Some(Err(_))), "a handler is dropped before it reads an error: {item:?}");
                    self.items = self.items.take().filter(|_| item.is_some());
                    let _ = self.told.send(told);
                }
            }
        }
    }

    fn stream(self) -> impl Stream<Item = Result<u32, Fault>> {
        stream::unfold(self, async |mut seat| match seat.step().await {
            Item => Some((Ok(1), seat)),
            Error => Some((Err(Fault), seat)),
            End => None,
            other => panic!("not for a stream: {other:?}"),
        })
    }
}

impl Strings {
    fn take(&self, seat: usize, items: Option<Streaming<Vec<u8>>>) -> Seat {
        let mut seat = self.seats.lock().remove(&seat).expect("a call of the test");
        (seat.items, seat.fate) = (items, Told::Dropped);
        let _ = seat.told.send(Told::Started);
        seat
    }
}

impl Puppet for Strings {
    async fn both(
        &self,
        seat: usize,
        items: Streaming<Vec<u8>>,
    ) -> Result<impl Stream<Item = Result<u32, Fault>>, Fault> {
        let mut seat = self.take(seat, Some(items));
        match seat.step().await {
            Open => Ok(seat.stream()),
            _ => Err(Fault),
        }
    }

    async fn upload(&self, seat: usize, items: Streaming<Vec<u8>>) -> Result<u32, Fault> {
        match self.take(seat, Some(items)).step().await {
            Reply => Ok(1),
            _ => Err(Fault),
        }
    }

    fn download(&self, seat: usize) -> impl Stream<Item = Result<u32, Fault>> {
        self.take(seat, None).stream()
    }

    async fn fence(&self) {}
}

// ----- the caller -----

/// A call of the test, and the strings to both of its ends.
struct Call {
    source: Option<Sender<Vec<u8>>>,
    steps: Sender<Event>,
    caller: Receiver<Told>,
    handler: Receiver<Told>,
    task: JoinHandle<()>,
}

impl Call {
    fn make(strings: &Strings, client: &PuppetClient, form: Form, seat: usize) -> Self {
        let (steps, to_do) = unbounded_channel();
        let (told, handler) = unbounded_channel();
        // What is told of a call that reaches no handler.
        let waits = Seat { steps: to_do, told, items: None, fate: Told::Dropped };
        strings.seats.lock().insert(seat, waits);
        let (source, mut items) = unbounded_channel();
        let (told, caller) = unbounded_channel();
        let client = client.clone();
        let task = tokio::spawn(async move {
            let items = stream::poll_fn(move |cx| items.poll_recv(cx));
            match form {
                Form::Upload => drop(told.send(match client.upload(seat, items).await {
                    Ok(_) => Told::Value,
                    Err(error) => failed(&error),
                })),
                Form::Download => receive(client.download(seat), &told).await,
                Form::Both => match client.both(seat, items).await {
                    Ok(stream) => {
                        let _ = told.send(Told::Opened);
                        receive(stream, &told).await;
                    }
                    Err(error) => drop(told.send(failed(&error))),
                },
            }
        });
        let source = (form != Form::Download).then_some(source);
        Self { source, steps, caller, handler, task }
    }

    /// Makes something happen.
    fn cause(&mut self, event: Event) {
        match event {
            Give | Fail => {
                let size = if event == Give { 1 } else { 2 * MESSAGE };
                let _ = self.source.as_ref().map(|source| source.send(vec![7; size]));
            }
            Finish => self.source = None,
            Cancel => self.task.abort(),
            _ => drop(self.steps.send(event)),
        }
    }
}

/// Reads a stream to its end, and holds it from there until the call is cancelled.
async fn receive(mut stream: impl Stream<Item = Result<u32, CallError<Fault>>> + Unpin, told: &Sender<Told>) {
    loop {
        let item = stream.next().await;
        let _ = told.send(match &item {
            Some(Ok(_)) => Told::Received,
            Some(Err(error)) => failed(error),
            None => Told::Ended,
        });
        if !matches!(item, Some(Ok(_))) {
            return std::future::pending().await;
        }
    }
}

fn failed(error: &CallError<Fault>) -> Told {
    error.rpc().map_or(Told::App, |error| Told::Failed(error.code(), error.delivery()))
}

// ----- the orders -----

/// The largest message of the server.
const MESSAGE: usize = 10_000;

async fn with_every_transport(name: &str, test: impl AsyncFn(&Strings, &PuppetClient)) {
    let path = format!("unix://{}", socket_path(name));
    for uri in ["tcp://127.0.0.1:0", &format!("mem://{name}"), &path] {
        let strings = Strings::default();
        let server = Server::builder().service(PuppetServer::new(strings.clone())).message(MESSAGE);
        let server = server.bind(uri).await.unwrap();
        let (uri, handle) = (server.addresses()[0].clone(), server.handle());
        let done = tokio::spawn(async move { server.serve().await.unwrap() });
        test(&strings, &PuppetClient::connect(&uri).await.unwrap()).await;
        handle.shutdown();
        assert_eq!(done.await.unwrap().cut, 0, "{uri}: nothing is left open");
    }
}

/// What must come does, and soon.
async fn soon<T>(what: impl Future<Output = T>, of: &[Event]) -> T {
    match tokio::time::timeout(Duration::from_secs(10), what).await {
        Ok(value) => value,
        Err(_) => panic!("{of:?}: not within ten seconds"),
    }
}

/// All that is still told.
async fn rest(told: &mut Receiver<Told>, of: &[Event]) -> Vec<Told> {
    let mut all = Vec::new();
    while let Some(next) = soon(told.recv(), of).await {
        all.push(next);
    }
    all
}

/// Both ends see each event before the next one happens.
async fn forced(strings: &Strings, client: &PuppetClient, form: Form, nth: usize, order: &[Event]) {
    let mut call = Call::make(strings, client, form, nth);
    assert_eq!(soon(call.handler.recv(), order).await, Some(Told::Started), "{order:?}");
    let (mut opened, mut over) = (false, false);
    for &event in order {
        if over && event.is_callees() {
            // There is no handler any more that could.
            soon(call.steps.closed(), order).await;
            continue;
        }
        if over && let Some(source) = &call.source {
            soon(source.closed(), order).await;
        }
        call.cause(event);
        if over {
            continue;
        }
        let (caller, handler) = tells(event, opened);
        if caller.is_some() {
            assert_eq!(soon(call.caller.recv(), order).await, caller, "{order:?}: {event:?}");
        }
        if handler.is_some() {
            assert_eq!(soon(call.handler.recv(), order).await, handler, "{order:?}: {event:?}");
        }
        opened |= matches!(event, Open | Item);
        over |= event.ends();
    }
    call.task.abort();
    soon(client.fence(), order).await.unwrap();
    assert_eq!(rest(&mut call.caller, order).await, [], "{order:?}: the caller");
    assert_eq!(rest(&mut call.handler, order).await, [], "{order:?}: the handler");
}

/// Nobody waits for anybody: which event comes first is open, and what the first one makes of the call is not.
async fn raced(strings: &Strings, client: &PuppetClient, form: Form, nth: usize, order: &[Event]) {
    let mut call = Call::make(strings, client, form, nth);
    for &event in order {
        call.cause(event);
        for _ in 0..nth % 4 {
            yield_now().await;
        }
    }
    let cut = order.iter().any(|event| matches!(event, Fail | Cancel));
    let mut caller = Vec::new();
    if order.contains(&Cancel) {
        let _ = soon(&mut call.task, order).await;
    } else {
        // Exactly one end is told.
        while !caller.last().is_some_and(|told| !matches!(told, Told::Opened | Told::Received)) {
            caller.push(soon(call.caller.recv(), order).await.expect("an end"));
        }
        call.task.abort();
    }
    caller.extend(rest(&mut call.caller, order).await);
    soon(client.fence(), order).await.unwrap();
    // A call that was given up in time has reached no handler.
    let unseen = strings.seats.lock().remove(&nth).is_some();
    let handler = rest(&mut call.handler, order).await;

    // The caller has been told what the callee has said, up to an end of its own.
    let said: Vec<Told> =
        order.iter().filter_map(|&event| tells(event, false).0.filter(|_| event.is_callees())).collect();
    let told = caller.iter().filter(|told| !matches!(told, Told::Failed(..))).count();
    assert!(said.starts_with(&caller[..told]), "{order:?}: {caller:?}");
    match &caller[told..] {
        [] => assert!(told == said.len() || order.contains(&Cancel), "{order:?}: {caller:?}"),
        [Told::Failed(code, delivery)] => {
            let known = if told > 0 { Delivery::Executed } else { Delivery::Unknown };
            assert!(order.contains(&Fail) && told < said.len(), "{order:?}: {caller:?}");
            assert_eq!(*code, Code::RESOURCE_EXHAUSTED, "{order:?}");
            assert!(*delivery == known || told == 0, "{order:?}: {caller:?}");
        }
        more => panic!("{order:?}: two ends: {more:?}"),
    }
    // The handler has read items in their order, until one end.
    let (fate, seen) = handler.split_last().expect("every handler tells its end");
    let read: Vec<Told> = order
        .iter()
        .filter_map(|&event| tells(event, false).1.filter(|_| matches!(event, Give | Finish)))
        .collect();
    match seen {
        [] => assert!(unseen && cut, "{order:?}: {handler:?}"),
        [Told::Started, seen @ ..] => assert!(!unseen && read.starts_with(seen), "{order:?}: {handler:?}"),
        other => panic!("{order:?}: {other:?}"),
    }
    if *fate == Told::Dropped {
        assert!(cut && told < said.len(), "{order:?}: the caller {caller:?}, the handler {handler:?}");
    }
}

#[tokio::test]
async fn every_order_of_cancel_end_error_and_last_item_has_its_outcome() {
    with_every_transport("ends", async |strings, client| {
        let mut nth = 0;
        for form in [Form::Both, Form::Upload, Form::Download] {
            for order in orders(form) {
                forced(strings, client, form, nth, &order).await;
                nth += 1;
            }
        }
        assert_eq!(nth, 310 + 60 + 11, "all orders");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whichever_end_comes_first_there_is_one() {
    with_every_transport("raced-ends", async |strings, client| {
        let mut nth = 0;
        for form in [Form::Both, Form::Upload, Form::Download] {
            for order in orders(form) {
                raced(strings, client, form, nth, &order).await;
                nth += 1;
            }
        }
    })
    .await;
}
