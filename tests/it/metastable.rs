//! Nothing of an overload stays when its cause is gone: open-loop load on servers of known capacity, ten seconds of trouble, and the
//! goodput after it, in the simulated network. The program `metastable` shows the same with real processes.

use traitwire_tests::shop::{Trouble, simulate};

/// Whether goodput is back within five seconds, at these loads.
async fn assert_comes_back(trouble: Trouble, loads: &[f64]) {
    for &load in loads {
        for seed in 1..3 {
            let curve = simulate(seed, load, trouble).await;
            assert_eq!(curve.wrong(), None, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_of_slow_work_goodput_is_back_within_five() {
    assert_comes_back(Trouble::Slow, &[0.7, 0.8, 0.9]).await;
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_without_one_of_three_servers_goodput_is_back_within_five() {
    assert_comes_back(Trouble::Killed, &[0.7, 0.8]).await;
}
