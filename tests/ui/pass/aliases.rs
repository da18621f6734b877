use serde::{Deserialize, Serialize};
use traitwire::{Call, Channel, rpc_service};

#[derive(Deserialize, Serialize)]
pub enum Wrong {
    Very,
}

type Answer = Result<i64, Wrong>;
type Fallible<T, E = Wrong> = Result<T, E>;
type Twice = Answer;
type Number = i64;
type Pair<T> = (T, T);

mod io {
    pub type Result<T> = std::result::Result<T, super::Wrong>;
}

mod sports {
    #[derive(serde::Deserialize, serde::Serialize)]
    pub struct Result {
        pub points: u8,
    }

    pub mod of {
        #[derive(serde::Deserialize, serde::Serialize)]
        pub struct Result<T> {
            pub points: T,
        }
    }
}

mod own {
    pub type Result = std::result::Result<i64, super::Wrong>;
}

trait Has {
    type Outcome;
}

impl Has for u8 {
    type Outcome = Result<i64, Wrong>;
}

macro_rules! outcome {
    () => {
        Result<i64, Wrong>
    };
}

#[rpc_service]
trait Service {
    async fn answer(&self) -> Answer;
    async fn fallible(&self) -> Fallible<i64>;
    async fn twice(&self) -> Twice;
    async fn io(&self) -> io::Result<i64>;
    async fn std(&self) -> std::result::Result<i64, Wrong>;
    async fn projected(&self) -> <u8 as Has>::Outcome;
    async fn written(&self) -> outcome!();
    async fn number(&self) -> Number;
    async fn pair(&self) -> Pair<u8>;
    #[allow(unused_parens)]
    async fn parens(&self) -> (Answer);
    async fn own(&self) -> own::Result;
    async fn sports(&self) -> sports::Result;
    async fn sports_of(&self) -> sports::of::Result<u8>;
}

fn flat(client: &ServiceClient) -> [Call<Channel, i64, Wrong>; 9] {
    [
        client.answer(),
        client.fallible(),
        client.twice(),
        client.io(),
        client.std(),
        client.projected(),
        client.written(),
        client.parens(),
        client.own(),
    ]
}

fn plain(client: &ServiceClient) -> (Call<Channel, i64>, Call<Channel, (u8, u8)>, Call<Channel, sports::Result>, Call<Channel, sports::of::Result<u8>>) {
    (client.number(), client.pair(), client.sports(), client.sports_of())
}

fn main() {
    let _ = (flat, plain, Wrong::Very);
}
