//! Owns [`Network`]: the test's own hand on a simulated network. Does not hold its state (`fabric`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

use crate::call::{Dice, load};
use crate::testing::chaos::Chaos;
use crate::testing::fault::Fault;
use crate::testing::host::Host;
use crate::testing::lab::Lab;
use crate::testing::path::Path;
use crate::testing::report::Report;

/// A network within one test: hosts, the paths between them, and what goes wrong there.
///
/// Everything that this crate does runs in it as it does in the world (codec, protocol, connections, reconnecting); only
/// the bytes go through memory, and the time is tokio's, paused: it jumps to the next thing that happens. A minute of
/// silence takes no time, and the same seed makes the same run.
///
/// ```
/// use std::time::Duration;
/// use traitwire::testing::{Fault, Network};
/// use traitwire::{Code, Delivery, Server, rpc_service};
///
/// #[rpc_service]
/// trait Echo {
///     async fn echo(&self, text: String) -> String;
/// }
/// struct Basic;
/// impl Echo for Basic {
///     async fn echo(&self, text: String) -> String { text }
/// }
///
/// // In a test: #[tokio::test(start_paused = true)]
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let network = Network::seeded(7);
///     network.host("server").serve(1, || Server::builder().service(EchoServer::new(Basic)));
///     let echo = EchoClient::new(network.host("client").channel("sim://server:1"));
///     assert_eq!(echo.echo("there".into()).await?, "there");
///
///     let partition = network.inject(Fault::partition("client", "server"));
///     let error = echo.echo("anybody?".into()).timeout(Duration::from_secs(1)).await.unwrap_err();
///     let error = error.rpc().unwrap();
///     assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Unknown));
///     assert!(partition.hits() > 0, "{}", network.report());
///
///     partition.heal();
///     assert_eq!(echo.echo("again".into()).await?, "again");
///     Ok(())
/// }
/// ```
///
/// # What makes a run repeat
///
/// One thread, the paused clock, and chance that comes from the seed: this crate's own and [`dice`](Self::dice) for the
/// test. What the test does must repeat as well: no other threads (`spawn_blocking` and `#[rpc(blocking)]` are some), no
/// `select!` without `biased`, no iteration over a `HashMap`, no other randomness.
#[derive(Clone)]
pub struct Network {
    lab: Arc<Lab>,
}

impl Network {
    /// A network without hosts, whose chance is drawn from this seed. Should the test panic, the seed is printed, with
    /// what happened.
    ///
    /// # Panics
    ///
    /// Unless tokio's clock is paused, on its current-thread runtime.
    pub fn seeded(seed: u64) -> Self {
        let is_single = Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        assert!(
            is_single && is_paused(),
            "a simulation needs a clock that stands still: use `#[tokio::test(start_paused = true)]`"
        );
        let lab = Arc::new(Lab::new(seed));
        load(Some(lab.with(|fabric, _| fabric.dice.fork())));
        Self { lab }
    }

    /// The host of this name; a new one if there is none. It is up until a fault says otherwise.
    pub fn host(&self, name: &str) -> Host {
        Host::new(Arc::clone(&self.lab), self.lab.with(|fabric, _| fabric.host(name)))
    }

    /// Says what all paths are like that are not set by [`path`](Self::path).
    pub fn paths(&self, path: Path) {
        self.lab.with(|fabric, _| fabric.usual = path);
    }

    /// Says what the path from one host to another is like; the way back has its own.
    pub fn path(&self, from: &Host, to: &Host, path: Path) {
        let way = (from.name().to_owned(), to.name().to_owned());
        self.lab.with(|fabric, _| fabric.paths.insert(way, path));
    }

    /// Makes something go wrong, now.
    ///
    /// # Panics
    ///
    /// When it names a host that there is not.
    pub fn inject(&self, fault: Fault) -> Injected {
        self.check(&fault);
        Injected { lab: Arc::clone(&self.lab), number: self.lab.inject(fault) }
    }

    /// Makes something go wrong after this time.
    ///
    /// # Panics
    ///
    /// When it names a host that there is not.
    pub fn at(&self, after: Duration, fault: Fault) {
        self.check(&fault);
        let (lab, at) = (Arc::clone(&self.lab), Instant::now() + after);
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            lab.inject(fault);
        });
    }

    /// Checked where the test says it: a panic in a task of its own would be nobody's.
    fn check(&self, fault: &Fault) {
        if let Err(wrong) = self.lab.with(|fabric, _| fabric.knows(fault)) {
            panic!("{wrong}");
        }
    }

    /// Makes things go wrong at random, among all hosts that there are; says when, and what.
    pub fn chaos(&self, chaos: &Chaos) -> Vec<(Duration, Fault)> {
        let schedule = self.lab.with(|fabric, _| {
            let mut dice = fabric.dice.fork();
            let hosts: Vec<_> = fabric.hosts.keys().map(|name| &**name).collect();
            chaos.draw(&hosts, &mut dice)
        });
        schedule.iter().for_each(|(at, fault)| self.at(*at, fault.clone()));
        schedule
    }

    /// A generator for the test's own choices, which are then determined by the seed as well.
    pub fn dice(&self) -> Dice {
        self.lab.with(|fabric, _| fabric.dice.fork())
    }

    /// What has happened so far.
    pub fn report(&self) -> Report {
        self.lab.with(|fabric, now| fabric.report(now))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a test that fails must say how it is repeated")]
            {
                eprintln!("in a simulated network:\n{}", self.report());
            }
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

/// Whether tokio's clock stands still. It does not say so itself; but one that goes has gone on after some looks.
fn is_paused() -> bool {
    const LOOKS: u32 = 10_000;
    let first = Instant::now();
    (0..LOOKS).all(|_| Instant::now() == first)
}

/// A fault that was injected.
#[derive(Clone)]
#[must_use = "a test of a fault asserts that it has hit something"]
pub struct Injected {
    lab: Arc<Lab>,
    number: usize,
}

impl Injected {
    /// How often it has hit something: a write or a connect that it held, a connection that it broke, a host that it took
    /// down. A test of a fault asserts that this is not 0.
    pub fn hits(&self) -> u64 {
        self.lab.with(|fabric, _| fabric.hits(self.number))
    }

    /// Ends it. A host that was down starts anew.
    pub fn heal(&self) {
        self.lab.heal(self.number);
    }
}

impl fmt::Debug for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Injected({})", self.number)
    }
}
