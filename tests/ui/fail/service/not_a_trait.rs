use traitwire::rpc_service;

#[rpc_service]
struct Service {
    field: u8,
}

fn main() {
    let _ = Service { field: 1 };
}
