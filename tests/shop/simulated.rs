//! Owns [`simulate`]: the shop in the simulated network, in virtual time.

use std::time::Duration;

use traitwire::Channel;
use traitwire::testing::{Fault, Network};

use super::{BEGINS, Curve, ENDS, SECOND, Trouble, Workers, channel, offer};

/// Workers of a server, and how long one is busy with a call: fifty calls a second.
const WORKERS: usize = 2;
const WORK: Duration = Duration::from_millis(40);

/// So much of what the servers can do is asked of them, from 0 to 1, while this goes wrong. Under tokio's paused clock.
///
/// # Panics
///
/// If the trouble met nothing.
pub async fn simulate(seed: u64, load: f64, trouble: Trouble) -> Curve {
    let network = Network::seeded(seed);
    let workers: Vec<_> = (0..trouble.servers()).map(|_| Workers::new(WORKERS, WORK)).collect();
    let names: Vec<_> = (0..workers.len()).map(|number| format!("s{number}")).collect();
    for (name, workers) in names.iter().zip(&workers) {
        let workers = workers.clone();
        network.host(name).serve(1, move || workers.server());
    }
    let rate = load * workers.iter().map(Workers::capacity).sum::<f64>();
    let addresses: Vec<_> = names.iter().map(|name| format!("sim://{name}:1")).collect();
    let channel = channel(Channel::builder().transport(network.host("client")), &addresses);
    let (from, time) = (SECOND * BEGINS as u32, SECOND * (ENDS - BEGINS) as u32);
    let trigger = async {
        match trouble {
            Trouble::Killed => network.at(from, Fault::crash("s0").lasting(time)),
            Trouble::Slow => {
                tokio::time::sleep(from).await;
                workers[0].slow_down(10);
                tokio::time::sleep(time).await;
                workers[0].slow_down(1);
            }
        }
    };
    let (shares, ()) = tokio::join!(offer(rate, channel), trigger);
    assert!(trouble == Trouble::Slow || network.report().hits("crash") > 0, "nobody was killed");
    Curve { trouble, load, shares }
}
