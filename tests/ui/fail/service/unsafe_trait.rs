use traitwire::rpc_service;

#[rpc_service]
unsafe trait Unsafe {
    async fn method(&self);
}

unsafe impl Unsafe for u8 {
    async fn method(&self) {}
}

fn main() {}
