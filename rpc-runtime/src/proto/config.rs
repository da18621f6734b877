//! Owns what a machine is told at its birth: its side and its limits. Reads nothing from anywhere.

use std::time::Duration;

use crate::limits;
use crate::wire::Hello;

/// Which end of a connection this is. It decides nothing but who has the odd ids: either side may call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Side {
    /// The one that opened the connection. Its calls have odd ids.
    Client,
    /// The one that accepted it. Its calls have even ids.
    Server,
}

impl Side {
    /// The first id of this side.
    pub const fn first_id(self) -> u32 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }

    /// Whether this side opens calls with such an id.
    pub const fn owns(self, id: u32) -> bool {
        (id % 2 == 1) == matches!(self, Self::Client)
    }
}

/// Limits and times of one connection. The defaults and their reasons are in `limits/`.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors; users meet builders")]
pub struct Config {
    /// The largest payload, in and out, in bytes.
    pub message: usize,
    /// How much of a payload needs no grant, in bytes.
    pub eager: usize,
    /// How many calls the peer may have open.
    pub in_flight: u32,
    /// How many of them may have a stream; this side opens no more itself.
    pub streams: u32,
    /// How many bytes of items each stream may send before any has been taken.
    pub credit: u64,
    /// What all streams may hold together beyond that, in bytes.
    pub credit_spare: usize,
    /// How many names the peer may bind.
    pub names: u32,
    /// How many frames that move nothing the peer may send at once.
    pub vain: u32,
    /// How many calls wait for a place.
    pub queue: usize,
    /// How many bytes they hold together with large calls that wait for their answer.
    pub queue_bytes: usize,
    /// What large payloads that arrive take together, in bytes: arguments and answers up to one half each.
    pub assembly: usize,
    /// What answers that leave may take together before no further handler starts, in bytes.
    pub bulk: usize,
    /// Framed and unwritten bytes above which nothing is started.
    pub output: usize,
    /// The time for the handshake.
    pub handshake: Duration,
    /// Silence before a ping; `None` never pings.
    pub keepalive: Option<Duration>,
    /// Time for a sign of life after a ping.
    pub keepalive_timeout: Duration,
    /// How long a write may stand still.
    pub write_stall: Duration,
    /// What this side calls itself.
    pub name: String,
    /// A random number of this process.
    pub instance: u64,
    /// What calls have that come without a time.
    pub deadline_default: Option<Duration>,
    /// Calls that have less are refused.
    pub deadline_least: Option<Duration>,
    /// Calls that have more get this.
    pub deadline_most: Option<Duration>,
    /// Whose memory of replies this side has; 0 for none.
    pub replies: u64,
    /// The first id to use; only tests start anywhere else than at the side's first one.
    pub first_id: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            message: limits::MESSAGE,
            eager: limits::EAGER,
            in_flight: limits::IN_FLIGHT,
            streams: limits::STREAMS,
            credit: limits::CREDIT as u64,
            credit_spare: limits::CREDIT_SPARE,
            names: limits::NAMES,
            vain: limits::VAIN,
            queue: limits::QUEUE,
            queue_bytes: limits::QUEUE_BYTES,
            assembly: limits::ASSEMBLY,
            bulk: limits::BULK,
            output: limits::OUTPUT,
            handshake: limits::HANDSHAKE,
            keepalive: Some(limits::KEEPALIVE),
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            write_stall: limits::WRITE_STALL,
            name: String::new(),
            instance: 0,
            deadline_default: None,
            deadline_least: None,
            deadline_most: None,
            replies: 0,
            first_id: None,
        }
    }
}

impl Config {
    /// The time that a call is given which has come with this; without one it has no end.
    pub(super) fn grant(&self, asked: Option<Duration>) -> Option<Duration> {
        let asked = asked.or(self.deadline_default);
        self.deadline_most.map_or(asked, |most| Some(asked.map_or(most, |asked| asked.min(most))))
    }

    /// The largest payload that can be taken: a larger one than its half of the budget could never be granted.
    pub(super) fn largest_payload(&self) -> usize {
        if self.message > self.eager {
            self.message.min((self.assembly / 2).max(self.eager))
        } else {
            self.message
        }
    }

    /// The largest item that can be taken: a larger one could never be granted.
    pub(super) fn largest_item(&self) -> usize {
        let spare = self.credit_spare / 2;
        let whole = usize::try_from(self.credit).unwrap_or(usize::MAX).saturating_sub(limits::ITEM_OVERHEAD);
        self.largest_payload().min(spare.saturating_add(whole))
    }

    /// Sets what each stream may send before any has been taken: enough for an item, and no more than can be counted.
    pub(crate) fn set_credit(&mut self, bytes: usize) {
        let most = u32::MAX as usize / 2;
        self.credit = bytes.clamp(limits::CREDIT_LEAST, most) as u64;
    }

    /// Sets the largest payload, and the budgets so that each half takes two of them.
    pub(crate) const fn set_message(&mut self, bytes: usize) {
        self.message = bytes;
        let wanted = bytes.saturating_mul(4);
        self.assembly = if wanted > limits::ASSEMBLY { wanted } else { limits::ASSEMBLY };
        self.credit_spare = if wanted > limits::CREDIT_SPARE { wanted } else { limits::CREDIT_SPARE };
    }

    /// What this side says of itself.
    pub(super) fn hello(&self) -> Hello {
        Hello {
            message: self.largest_payload() as u64,
            eager: self.eager as u64,
            in_flight: self.in_flight,
            streams: self.streams,
            credit: self.credit,
            names: self.names,
            keepalive_ms: self.keepalive.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            name: self.name.clone(),
            instance: self.instance,
            replies: self.replies,
            ..Hello::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_time_gets_one_and_a_long_one_is_cut() {
        let [short, long, most] = [1, 60, 10].map(Duration::from_secs);
        let plain = Config::default();
        assert_eq!((plain.grant(None), plain.grant(Some(long))), (None, Some(long)));
        let gives = Config { deadline_default: Some(long), ..Config::default() };
        assert_eq!((gives.grant(None), gives.grant(Some(short))), (Some(long), Some(short)));
        let cuts = Config { deadline_most: Some(most), ..Config::default() };
        assert_eq!(
            [None, Some(short), Some(long)].map(|time| cuts.grant(time)),
            [Some(most), Some(short), Some(most)]
        );
        let both = Config { deadline_default: Some(long), ..cuts };
        assert_eq!(both.grant(None), Some(most));
    }
}
