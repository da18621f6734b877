#![deny(warnings)]

use traitwire::rpc_service;

#[rpc_service]
pub trait Service {
    async fn base(&self) -> u8;
    async fn uses_self(&self) -> u8
    where
        Self: Sync,
    {
        self.base().await
    }
    async fn uses_arguments(&self, mut text: String, other: &str) -> Result<String, String> {
        text.push_str(other);
        if text.is_empty() {
            return Err("empty".to_owned());
        }
        let number: i64 = text.parse().map_err(|_| "no number")?;
        Ok(number.to_string())
    }
    async fn leaves_them(&self, _unused: String) {}
    async fn destructures(&self, pair: (u8, u8)) -> u8 {
        let (a, b) = pair;
        a + b
    }
    async fn is_missing(&self) -> Vec<u8> {
        todo!()
    }
    async fn on_one_line(&self) -> u8 { 9 }
    async fn on_one_line_with_an_argument(&self, number: u8) -> u8 { number }
    async fn never_ends(&self) -> u8 {
        loop {
            std::future::pending::<()>().await;
        }
    }
}

#[rpc_service]
pub trait SyncService: Sync {
    async fn base(&self) -> u8;
    async fn uses_self(&self) -> u8 {
        self.base().await
    }
}

fn main() {}
