//! The sweep: random topologies, policies, calls and faults in a simulated network, all from one seed, and what must hold whatever
//! happens. Owns one seed's run; how many there are is for the test and the program `sweep` to say.
//!
//! | promise | how it is checked |
//! |---|---|
//! | at most once | no call is started twice at any hop (the ledger), whatever policies its channel has; idempotent ones may be |
//! | no storms | what runs twice does so within the budget of retries and hedges |
//! | deadlines | no call and no handler outlives its time by more than the clock's tick |
//! | true delivery | what each caller is told, handlers that call on included, agrees with the ledger |
//! | right answers | a value belongs to its call; a stream that ends has all of its items, in order |
//! | fresh answers | what was kept is never older than its time (and that for errors, where it is set), never another caller's, and never given to who asks anew |
//! | nothing is left | when all is healed and quiet: no handler, no connection, no task |
//! | it comes back | every client's next call succeeds |

mod freshness;
mod judge;
mod ledger;
mod load;
mod policy;
mod service;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use traitwire::testing::{Network, Report};

pub use judge::Tally;

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// What happened in the network.
    pub report: Report,
    /// How the calls ended.
    pub tally: Tally,
    /// What did not hold.
    pub violations: Vec<String>,
}

/// Runs one seed.
///
/// # Errors
///
/// When something panicked, with what it said.
pub fn run(seed: u64) -> Result<Run, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let run = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { world::run(&Network::seeded(seed)).await })
    }));
    run.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.unwrap_or_else(|| panic.downcast_ref::<&str>().map_or("a panic", |text| text).to_owned())
    })
}
