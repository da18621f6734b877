use traitwire::rpc_service;

#[derive(serde::Serialize, serde::Deserialize)]
pub enum StoreError {
    Busy,
    Lost,
}

impl StoreError {
    fn is_busy(&self) -> u8 {
        u8::from(matches!(self, Self::Busy))
    }
}

fn is_long(text: &String) -> bool {
    text.len() > 80
}

#[rpc_service]
trait Store {
    #[rpc(idempotent, retry, retry_on = StoreError::is_busy)]
    async fn get(&self) -> Result<u8, StoreError>;
    #[rpc(idempotent, retry, retry_on = is_long)]
    async fn put(&self) -> Result<u8, StoreError>;
    #[rpc(idempotent, retry, retry_on = StoreError::Lost)]
    async fn variant(&self) -> Result<u8, StoreError>;
}

fn main() {}
