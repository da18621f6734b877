//! Owns [`Race`]: attempts to connect to the addresses of one name, one a little after the other, and whichever is first counts
//! ("happy eyeballs", RFC 8305). Makes no handshakes, and does not decide how long all of it may take.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::sleep_until;

use crate::client::story::Step;
use crate::driver::now;
use crate::limits;
use crate::transport::{Link, Transport};

/// The addresses of a name, some of which are being connected to.
///
/// The next attempt begins when the one before it has failed, or has taken [`limits::STAGGER`]; those before it go on. So an
/// address that swallows everything costs a quarter of a second, and not the whole time there is.
pub(super) struct Race<'a> {
    name: &'a str,
    transport: &'a dyn Transport,
    waiting: VecDeque<String>,
    under_way: FuturesUnordered<BoxFuture<'a, Ended>>,
    of: usize,
    /// When the next one begins though none has failed; none if it begins at once.
    next: Option<Instant>,
}

/// An address, and what came of it.
type Ended = (String, io::Result<Link>);

impl<'a> Race<'a> {
    pub(super) fn new(name: &'a str, transport: &'a dyn Transport, addresses: Vec<String>) -> Self {
        let (of, waiting) = (addresses.len(), families_in_turn(addresses));
        Self { name, transport, waiting, under_way: FuturesUnordered::new(), of, next: None }
    }

    /// The next attempt that has come to its end, in whichever way; `None` when all have. `note` is told of each that begins.
    pub(super) async fn next(&mut self, note: impl Fn(Step)) -> Option<Ended> {
        loop {
            // One that has connected may have come to nothing later, without a word to this file.
            let is_idle = self.under_way.is_empty();
            if (is_idle || self.next.is_none_or(|next| next <= now()))
                && let Some(address) = self.waiting.pop_front()
            {
                let nth = self.of - self.waiting.len();
                note(Step::Connecting { address: address.clone(), nth, of: self.of });
                self.begin(address);
                self.next = Some(now() + limits::STAGGER);
            }
            let due = self.next.filter(|_| !self.waiting.is_empty());
            tokio::select! {
                biased;
                ended = self.under_way.next() => {
                    if ended.as_ref().is_none_or(|(_, result)| result.is_err()) {
                        self.next = None;
                    }
                    return ended;
                }
                () = sleep_until(due.unwrap_or_else(now).into()), if due.is_some() => {}
            }
        }
    }

    fn begin(&self, address: String) {
        let (name, transport) = (self.name, self.transport);
        self.under_way.push(Box::pin(async move {
            let connected = transport.connect_named(&address, name).await;
            (address, connected)
        }));
    }
}

/// The addresses in their order, but IPv6 and IPv4 in turn as long as there are both: when one of the two leads nowhere, the second
/// attempt goes the other way.
fn families_in_turn(addresses: Vec<String>) -> VecDeque<String> {
    let is_v6 = |address: &String| address.parse::<SocketAddr>().is_ok_and(|address| address.is_ipv6());
    let first = addresses.first().is_some_and(is_v6);
    let (mut these, mut others): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| is_v6(address) == first);
    let mut all = VecDeque::with_capacity(these.len() + others.len());
    while !these.is_empty() || !others.is_empty() {
        all.extend(these.pop_front());
        all.extend(others.pop_front());
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::transport::{Listener, pipe};

    /// `10` connects after ten milliseconds, `-10` fails after as many, `x` never does anything.
    struct Course;

    #[async_trait]
    impl Transport for Course {
        fn scheme(&self) -> &'static str {
            "course"
        }

        async fn connect(&self, address: &str) -> io::Result<Link> {
            let Ok(millis) = address.parse::<i64>() else { return std::future::pending().await };
            tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
            if millis < 0 { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(pipe().0) }
        }

        async fn bind(&self, _address: &str) -> io::Result<Box<dyn Listener>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Which address was the first to connect, and after how many milliseconds; `None` if none did.
    async fn run(addresses: &[&str]) -> (Option<String>, u128) {
        let began = now();
        let mut race =
            Race::new("name", &Course, addresses.iter().map(|&address| address.to_owned()).collect());
        let mut first = None;
        while let Some((address, connected)) = race.next(|_| {}).await {
            if connected.is_ok() {
                first = Some(address);
                break;
            }
        }
        (first, (now() - began).as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_one_begins_after_a_failure_or_a_quarter_of_a_second() {
        type Case = (&'static [&'static str], (Option<&'static str>, u128));
        let cases: &[Case] = &[
            (&["10", "5"], (Some("10"), 10)),
            (&["x", "5"], (Some("5"), 255)),
            (&["x", "x", "5"], (Some("5"), 505)),
            (&["-10", "5"], (Some("5"), 15)),
            (&["400", "200"], (Some("400"), 400)),
            (&["500", "-10", "20"], (Some("20"), 280)),
            (&["-10", "-10"], (None, 20)),
            (&[], (None, 0)),
        ];
        for (addresses, (first, millis)) in cases {
            let (took, after) = run(addresses).await;
            // Timers are good to a millisecond.
            assert!(
                took.as_deref() == *first && (*millis..=millis + 3).contains(&after),
                "{addresses:?} {took:?} {after}"
            );
        }
    }

    #[test]
    fn families_take_turns() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(str::to_owned).to_vec();
        let turns: Vec<_> = families_in_turn(all).into();
        assert_eq!(turns, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        let names = ["b".to_owned(), "a".to_owned()];
        assert_eq!(families_in_turn(names.to_vec()), names);
    }
}
