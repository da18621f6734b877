//! What a mock is told has the types of its method.
use traitwire::rpc_service;

#[rpc_service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
}

fn main() {
    let (_calc, mock) = CalculatorClient::mock();
    mock.add().returns("five");
    mock.add().with((2, "three")).returns(5);
    mock.add().answers(|(a, b)| a == b);
    mock.divide().app_error(0);
    mock.subtract().returns(1);
}
