use traitwire::rpc_service;

macro_rules! service {
    ($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$inner:meta])* $method:ident($($argument:ident: $ty:ty),*) $(-> $returned:ty)?;)* }) => {
        $(#[$meta])*
        #[rpc_service]
        $vis trait $name {
            $($(#[$inner])* async fn $method(&self, $($argument: $ty),*) $(-> $returned)?;)*
        }
    };
}

service! {
    /// Documented.
    pub(crate) Service {
        #[rpc(idempotent, timeout = "1s")]
        first(a: &str, b: Option<&[u8]>, c: &[String]) -> Result<u8, String>;
        #[rpc(oneway)]
        second(service: Vec<u8>, request: &u64);
        third();
    }
}

macro_rules! option {
    ($literal:literal) => {
        #[rpc_service(name = $literal)]
        trait Renamed {
            #[rpc(timeout = $literal, name = $literal)]
            async fn method(&self);
        }
    };
}

option!("5s");

fn main() {
    let _ = |client: &ServiceClient| drop((client.first("", None, &[]), client.second(vec![], &1), client.third()));
}
