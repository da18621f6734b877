//! What goes through the connections of a [`Fabric`]: connects, bytes both ways, ends, and the cuts that faults make on the
//! way. Does not wait: it says until when.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;

use crate::testing::fabric::{Connection, Fabric, Side, SideState, Wakers};
use crate::testing::fault::{Place, What, is_pair};
use crate::testing::flow::{Ending, Flow, Met};
use crate::testing::frames::Begun;
use crate::testing::report::Happening;
use crate::wire::Kind;

/// How a connect goes.
#[derive(Debug)]
pub(super) enum Knock {
    /// It is under way, and answered after this time.
    UnderWay(Duration),
    /// There is this connection, once the answer is back after this time.
    Accepted(u64, Arc<Wakers>, Duration),
    /// Nobody listens, which is known after this time.
    Refused(Duration),
    /// Nobody answers until something changes.
    Hangs,
}

/// A connect: whose it is, and where it goes.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) from: Arc<str>,
    pub(super) life: u64,
    pub(super) to: String,
    pub(super) port: u16,
}

impl Fabric {
    // ----- connects -----

    /// A connect leaves.
    pub(super) fn set_out(&mut self, connect: &Connect, now: Instant) -> io::Result<Knock> {
        let Connect { from, life, to, port } = connect;
        if !self.lives(from, *life) {
            return Err(io::Error::new(io::ErrorKind::NetworkDown, format!("the host `{from}` is down")));
        }
        if !self.hosts.contains_key(&**to) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no host `{to}`")));
        }
        // It takes both ways: the answer has to come back.
        let held = [self.is_held(from, to), self.is_held(to, from)];
        if held[0] || held[1] {
            self.hit_holding(from, to, now);
            self.hit_holding(to, from, now);
            return Ok(self.hanging(from, to, *port, now));
        }
        let path = self.weather(from, to).path;
        Ok(Knock::UnderWay(path.under_way(1, &mut self.dice).0))
    }

    /// A connect arrives.
    pub(super) fn knock(&mut self, connect: &Connect, now: Instant) -> Knock {
        let Connect { from, life, to, port } = connect;
        let back = self.weather(to, from).path.under_way(1, &mut self.dice).0;
        let Some(host) = self.hosts.get(&**to) else { return Knock::Refused(back) };
        let vanished = |what: &What| matches!(what, What::Vanish(host) if host == to);
        if !host.is_up && self.any_active(vanished) {
            self.hit_all(now, vanished);
            return self.hanging(from, to, *port, now);
        }
        if self.hangs(to) {
            self.hit_all(now, |what| matches!(what, What::Hang(host) if host == to));
            return self.hanging(from, to, *port, now);
        }
        let listener = host.listeners.get(port).cloned();
        let number = self.next;
        let is_told = match listener {
            Some(listener) if !self.refuses(to) => listener.try_send(number).is_ok(),
            _ => {
                self.hit_all(now, |what| matches!(what, What::Refuse(host) if host == to));
                false
            }
        };
        if !is_told {
            self.note(now, Happening::Refused { from: from.to_string(), to: to.clone(), port: *port });
            return Knock::Refused(back);
        }
        self.next += 1;
        let side = |host: &str, life| Side { host: Arc::from(host), life, state: SideState::Open };
        let sides = [side(from, *life), side(to, self.hosts[&**to].life)];
        let wakers = Arc::<Wakers>::default();
        let flows = [Flow::new(), Flow::new()];
        self.connections.insert(number, Connection { sides, flows, wakers: Arc::clone(&wakers) });
        let (from, to) = (from.to_string(), to.clone());
        self.note(now, Happening::Connected { connection: number, from, to, port: *port });
        Knock::Accepted(number, wakers, back)
    }

    fn hanging(&mut self, from: &str, to: &str, port: u16, now: Instant) -> Knock {
        self.note(now, Happening::Hanging { from: from.to_owned(), to: to.to_owned(), port });
        Knock::Hangs
    }

    // ----- bytes -----

    /// Reads at one end; `None` for its end.
    pub(super) fn read(
        &mut self,
        number: u64,
        at: usize,
        now: Instant,
        buffer: &mut ReadBuf<'_>,
    ) -> io::Result<Met> {
        let host = self.open_side(number, at)?;
        let rate = self.rate(&host);
        let Some(connection) = self.connections.get_mut(&number) else { return Err(broken()) };
        let before = buffer.filled().len();
        let met = connection.flows[1 - at].take(now, rate, buffer);
        if met == Met::Bytes {
            self.wakes.push(Arc::clone(&connection.wakers));
            self.log.bytes += (buffer.filled().len() - before) as u64;
        }
        if rate.is_some() && met != Met::Nothing {
            self.hit_all(now, |what| matches!(what, What::SlowReader(slow, _) if **slow == *host));
        }
        if met == Met::End(Ending::Reset) { Err(broken()) } else { Ok(met) }
    }

    /// Writes at one end; `None` if there is no room.
    pub(super) fn write(
        &mut self,
        number: u64,
        at: usize,
        now: Instant,
        bytes: &[u8],
    ) -> io::Result<Option<usize>> {
        let from = self.open_side(number, at)?;
        let connection = &self.connections[&number];
        if connection.flows[1 - at].is_reset(now) {
            return Err(broken());
        }
        if connection.flows[at].is_closed() {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "this end is closed"));
        }
        if connection.flows[at].breaks() {
            // The writer has not heard of it yet.
            return Ok(Some(bytes.len()));
        }
        let peer = &connection.sides[1 - at];
        let (to, peer_state, peer_life) = (Arc::clone(&peer.host), peer.state, peer.life);
        let some = bytes.len().min(connection.flows[at].room());
        if some == 0 {
            return Ok(None);
        }
        let bytes = &bytes[..some];
        self.log.digest(self.elapsed(now), number, at, bytes);
        let (passing, cut) = self.passing(number, at, [&from, &to], bytes);
        let weather = self.weather(&from, &to);
        if weather.is_held {
            self.hit_holding(&from, &to, now);
        }
        self.hit_all(
            now,
            |what| matches!(what, What::Worse(one, other, _) if is_pair(one, other, &from, &to)),
        );
        let Some(connection) = self.connections.get_mut(&number) else { return Err(broken()) };
        self.log.packets_lost += connection.flows[at].push(&bytes[..passing], now, weather, &mut self.dice);
        self.wakes.push(Arc::clone(&connection.wakers));
        if let Some(cut) = cut {
            self.cut(number, now);
            self.spend(cut, now);
        }
        let is_old = match peer_state {
            SideState::Open => false,
            SideState::Closed => true,
            SideState::Gone => self.hosts[&to].is_up && self.hosts[&to].life != peer_life,
        };
        if is_old && !weather.is_held && !self.connections[&number].flows[1 - at].breaks() {
            let there = weather.path.under_way(1, &mut self.dice).0;
            self.answer_reset(number, 1 - at, now + there);
        }
        Ok(Some(some))
    }

    /// One end is closed for writing.
    pub(super) fn shut(&mut self, number: u64, at: usize, now: Instant) -> io::Result<()> {
        let from = self.open_side(number, at)?;
        let weather = self.weather(&from, &self.connections[&number].sides[1 - at].host);
        let Some(connection) = self.connections.get_mut(&number) else { return Err(broken()) };
        connection.flows[at].finish(Ending::Close, now, weather, &mut self.dice);
        self.wakes.push(Arc::clone(&connection.wakers));
        Ok(())
    }

    /// The host of an end that is open.
    fn open_side(&self, number: u64, at: usize) -> io::Result<Arc<str>> {
        let side = self.connections.get(&number).map(|connection| &connection.sides[at]);
        match side {
            Some(side) if side.state == SideState::Open => Ok(Arc::clone(&side.host)),
            _ => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "this end's host has crashed")),
        }
    }

    /// How many of these bytes pass, and the number of the fault that stops the others.
    fn passing(&mut self, number: u64, at: usize, way: [&str; 2], bytes: &[u8]) -> (usize, Option<usize>) {
        let mut begun: Vec<Begun> = Vec::new();
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.flows[at].frames.follow(bytes, |frame| begun.push(frame));
        }
        let mut first = (bytes.len(), None);
        for (cut, place, left) in self.cuts(way[0], way[1]) {
            let at = match place {
                Place::Bytes(_) => {
                    self.count_cut(cut, left.saturating_sub(bytes.len() as u64));
                    (left < bytes.len() as u64).then_some(left as usize)
                }
                Place::Frames(_) => {
                    self.count_cut(cut, left.saturating_sub(begun.len() as u64));
                    begun.get(left as usize).map(|frame| frame.at)
                }
                Place::Reply => begun.iter().find(|frame| is_answer(frame.kind)).map(|frame| frame.at),
            };
            if let Some(at) = at.filter(|at| first.1.is_none() || *at < first.0) {
                first = (at, Some(cut));
            }
        }
        first
    }

    /// A connection breaks behind what has passed: each end hears of it on its own way.
    fn cut(&mut self, number: u64, now: Instant) {
        for at in [0, 1] {
            let Some(connection) = self.connections.get(&number) else { return };
            let weather = self.weather(&connection.sides[at].host, &connection.sides[1 - at].host);
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.flows[at].finish(Ending::Reset, now, weather, &mut self.dice);
            }
        }
        self.note(now, Happening::Broken { connection: number });
    }
}

/// Whether a frame of this kind is what a caller waits for.
fn is_answer(kind: u8) -> bool {
    [Kind::Reply, Kind::Error, Kind::Item, Kind::End].iter().any(|&answer| answer as u8 == kind)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke")
}
