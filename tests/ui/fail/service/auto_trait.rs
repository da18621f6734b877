use traitwire::rpc_service;

#[rpc_service]
auto trait Auto {}

fn main() {}
