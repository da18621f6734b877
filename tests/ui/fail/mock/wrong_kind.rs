//! A stream is told by its items, a value is not, and a method without an error of its own has none.
use futures::Stream;
use traitwire::rpc_service;

#[rpc_service]
trait Clock {
    async fn now(&self) -> u64;
    fn ticks(&self, count: u32) -> impl Stream<Item = u32>;
}

fn main() {
    let (_clock, mock) = ClockClient::mock();
    mock.now().streams([1]);
    mock.now().app_error("late");
    mock.ticks().returns(1);
    mock.ticks().with(3);
}
