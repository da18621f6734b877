//! A mock is of a generated client over a `Mock`, and what is called in place is a service.
use traitwire::rpc_service;

#[rpc_service]
trait Clock {
    async fn now(&self) -> u64;
}

struct Nothing;

fn main() {
    let _ = traitwire::testing::mock::<Nothing>();
    let _ = ClockClient::from_impl(Nothing);
}
