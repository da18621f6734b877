//! What faults do to a [`Fabric`]: at once, and to what comes later. Does not draw any (`chaos`).

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::testing::fabric::{Fabric, Injection, Rebirth, SideState};
use crate::testing::fault::{Fault, Place, What, is_pair};
use crate::testing::report::Happening;

impl Fabric {
    /// Whether all hosts that a fault names are there; if not, what is wrong.
    pub(super) fn knows(&self, fault: &Fault) -> Result<(), String> {
        let Some(unknown) = fault.hosts().into_iter().find(|host| !self.hosts.contains_key(*host)) else {
            return Ok(());
        };
        let known: Vec<_> = self.hosts.keys().map(|name| format!("`{name}`")).collect();
        Err(format!("`{fault}`: no host `{unknown}`: there are {}", known.join(", ")))
    }

    /// Injects a fault, whose hosts are there; says its number.
    pub(super) fn inject(&mut self, fault: Fault, now: Instant) -> usize {
        let number = self.faults.len() + 1;
        self.note(now, Happening::Injected { fault: number, what: fault.to_string() });
        let left = match fault.what {
            What::Cut { place: Place::Bytes(left) | Place::Frames(left), .. } => left,
            _ => 0,
        };
        self.faults.push(Injection { fault: fault.clone(), hits: 0, left });
        self.active.push(number - 1);
        match &fault.what {
            What::Partition(..) | What::OneWay(..) | What::Isolate(_) => self.hold(number, now),
            What::Reset(one, other) => self.reset(number, one, other, now),
            What::Crash(host) => self.end_life(number, host, SideState::Closed, now),
            What::Vanish(host) => self.end_life(number, host, SideState::Gone, now),
            _ => {}
        }
        number
    }

    /// Ends a fault; says what a host that was down is to start.
    pub(super) fn heal(&mut self, number: usize, now: Instant) -> Option<Rebirth> {
        let at = self.active.iter().position(|&at| at == number - 1)?;
        self.active.remove(at);
        self.note(now, Happening::Healed { fault: number });
        let fault = self.faults[number - 1].fault.clone();
        match &fault.what {
            What::Partition(..) | What::OneWay(..) | What::Isolate(_) => self.release(now),
            What::Crash(host) | What::Vanish(host) => return self.begin_life(host, now),
            What::SlowReader(..) => {
                self.wakes.extend(self.connections.values().map(|c| Arc::clone(&c.wakers)))
            }
            _ => {}
        }
        None
    }

    /// A fault has hit something.
    pub(super) fn hit(&mut self, number: usize, times: u64, now: Instant) {
        if times > 0 && self.faults[number - 1].hits == 0 {
            self.note(now, Happening::Hit { fault: number });
        }
        self.faults[number - 1].hits += times;
    }

    pub(super) fn hits(&self, number: usize) -> u64 {
        self.faults[number - 1].hits
    }

    /// Faults of this kind have hit something.
    pub(super) fn hit_all(&mut self, now: Instant, is_hit: impl Fn(&What) -> bool) {
        for at in self.active.clone() {
            if is_hit(&self.faults[at].fault.what) {
                self.hit(at + 1, 1, now);
            }
        }
    }

    /// What one host sends to another is held, by all faults that do.
    pub(super) fn hit_holding(&mut self, from: &str, to: &str, now: Instant) {
        for at in self.active.clone() {
            if self.faults[at].fault.holds(from, to) {
                self.hit(at + 1, 1, now);
            }
        }
    }

    pub(super) fn any_active(&self, is_it: impl Fn(&What) -> bool) -> bool {
        self.active().any(|fault| is_it(&fault.what))
    }

    pub(super) fn refuses(&self, host: &str) -> bool {
        self.active().any(|fault| matches!(&fault.what, What::Refuse(refusing) if refusing == host))
    }

    pub(super) fn hangs(&self, host: &str) -> bool {
        self.active().any(|fault| matches!(&fault.what, What::Hang(hanging) if hanging == host))
    }

    /// The cuts that wait for bytes from one host to another: their numbers, where they cut, and what is left to count.
    pub(super) fn cuts(&self, from: &str, to: &str) -> Vec<(usize, Place, u64)> {
        let cuts = self.active.iter().filter_map(|&at| match &self.faults[at].fault.what {
            What::Cut { from: sender, to: receiver, place } if sender == from && receiver == to => {
                Some((at + 1, *place, self.faults[at].left))
            }
            _ => None,
        });
        cuts.collect()
    }

    pub(super) fn count_cut(&mut self, number: usize, left: u64) {
        self.faults[number - 1].left = left;
    }

    /// A cut has been made, and is made no more.
    pub(super) fn spend(&mut self, number: usize, now: Instant) {
        self.hit(number, 1, now);
        self.active.retain(|&at| at != number - 1);
    }

    fn hold(&mut self, number: usize, now: Instant) {
        let fault = self.faults[number - 1].fault.clone();
        let mut hits = 0;
        for connection in self.connections.values_mut() {
            for at in [0, 1] {
                if fault.holds(&connection.sides[at].host, &connection.sides[1 - at].host) {
                    hits += connection.flows[at].hold(now);
                }
            }
        }
        self.hit(number, hits, now);
    }

    /// Lets go what no fault holds any more.
    fn release(&mut self, now: Instant) {
        let mut connections = std::mem::take(&mut self.connections);
        for connection in connections.values_mut() {
            for at in [0, 1] {
                let weather = self.weather(&connection.sides[at].host, &connection.sides[1 - at].host);
                if !weather.is_held {
                    connection.flows[at].release(now, &weather.path, &mut self.dice);
                }
            }
            self.wakes.push(Arc::clone(&connection.wakers));
        }
        self.connections = connections;
    }

    fn reset(&mut self, number: usize, one: &str, other: &str, now: Instant) {
        let mut broken = Vec::new();
        for (&connection, state) in &mut self.connections {
            let [near, far] = &state.sides;
            if is_pair(one, other, &near.host, &far.host) {
                state.flows.iter_mut().for_each(|flow| flow.break_off(now));
                self.wakes.push(Arc::clone(&state.wakers));
                broken.push(connection);
            }
        }
        self.hit(number, broken.len() as u64, now);
        broken.into_iter().for_each(|connection| self.note(now, Happening::Broken { connection }));
        // It is over at once: connections that are made from now on are not its business.
        self.active.retain(|&at| at != number - 1);
    }

    fn end_life(&mut self, number: usize, name: &str, told: SideState, now: Instant) {
        let Some(host) = self.hosts.get_mut(name).filter(|host| host.is_up) else { return };
        host.is_up = false;
        host.life += 1;
        host.listeners.clear();
        host.tasks.drain(..).for_each(|task| task.abort());
        host.over.send_replace(true);
        self.hit(number, 1, now);
        let numbers: Vec<_> = self.connections.keys().copied().collect();
        for number in numbers {
            for at in [0, 1] {
                // The last side that leaves a connection takes it away.
                let side = self.connections.get(&number).map(|connection| &connection.sides[at]);
                if side.is_some_and(|side| &*side.host == name && side.state == SideState::Open) {
                    self.leave(number, at, told, now);
                }
            }
        }
    }

    fn begin_life(&mut self, name: &str, now: Instant) -> Option<Rebirth> {
        let host = self.hosts.get_mut(name).filter(|host| !host.is_up)?;
        host.is_up = true;
        host.over = watch::Sender::new(false);
        let (starts, life) = (host.starts.clone(), host.life);
        self.note(now, Happening::Restarted { host: name.to_owned() });
        // What its peers have sent is sent again, and meets a host that knows nothing of it.
        let numbers: Vec<_> = self.connections.keys().copied().collect();
        for number in numbers {
            for at in [0, 1] {
                let connection = &self.connections[&number];
                let is_old =
                    connection.sides[at].state == SideState::Gone && &*connection.sides[at].host == name;
                if is_old && connection.flows[1 - at].has_unread() {
                    self.answer_reset(number, at, now);
                }
            }
        }
        Some(Rebirth { starts, life })
    }
}
