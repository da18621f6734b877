#[traitwire::rpc_service]
pub trait Service {}

struct Basic;

impl Service for Basic {}

fn main() {
    let _ = (ServiceServer::new(Basic), ServiceClient::loopback::<Basic>);
}
