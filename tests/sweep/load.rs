//! Owns [`load`]: the calls of one task of a client, drawn by chance. Tells the ledger how each of them ended.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};
use traitwire::testing::Dice;
use traitwire::{CallError, CallOptions, CallStream, Metadata, RpcError};

use super::ledger::{Kind, Ledger, Read, Told};
use super::service::{CALLER, WorkClient, answer};

/// The hop that clients call.
const FIRST: usize = 1;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Makes `calls` calls, one after the other, with keys from `key` on.
pub(super) async fn load(client: WorkClient, ledger: Ledger, mut dice: Dice, key: u64, calls: u64) {
    for key in key..key + calls {
        one(&client, &ledger, &mut dice, key).await;
        tokio::time::sleep(millis(dice.below(400))).await;
    }
}

async fn one(client: &WorkClient, ledger: &Ledger, dice: &mut Dice, key: u64) {
    let most = if dice.chance(0.3) { 200 } else { 6_000 };
    let time = millis(1 + dice.below(most));
    // A fifth of the callers give up by themselves.
    let patience = if dice.chance(0.2) { millis(dice.below(300)) } else { Duration::MAX };
    let ready = dice.chance(0.3);
    let pause = if dice.chance(0.3) { dice.below(2_000) } else { dice.below(20) };
    match dice.below(18) {
        0..=3 => {
            let payload = size(dice);
            let watched = ledger.watch(FIRST, key, Kind::Run { payload }, Some(time));
            let bytes = vec![7; payload];
            let mut call = client.run(key, &bytes, pause).timeout(time);
            call = if ready { call.wait_for_ready() } else { call };
            if let Ok(result) = timeout(patience, call).await {
                let is_wrong = matches!(result, Ok(value) if value != answer(key, payload));
                watched.end(if is_wrong { Told::Wrong(format!("{result:?}")) } else { Told::of(result) });
            }
        }
        4 => {
            let size = size(dice);
            let watched = ledger.watch(FIRST, key, Kind::Fill, Some(time));
            if let Ok(result) = timeout(patience, client.fill(key, size).timeout(time)).await {
                let is_wrong = matches!(&result, Ok(bytes) if *bytes != vec![key as u8; size]);
                watched.end(if is_wrong { Told::Wrong(format!("{size} bytes")) } else { Told::of(result) });
            }
        }
        5 | 6 => {
            let (count, slow) = (dice.below(60), if dice.chance(0.3) { 20 + dice.below(10) } else { 0 });
            // What has come in time is there for a slow reader, however long it takes.
            let watched = ledger.watch(FIRST, key, Kind::Count, Some(time + millis(count * slow)));
            let items = client.count(key, count, pause / 20).timeout(time).total_timeout(time);
            if let Ok(told) = timeout(patience, read(items, (0..count).map(|at| key + at), slow)).await {
                watched.end(told);
            }
        }
        7 => {
            let count = dice.below(200);
            let watched = ledger.watch(FIRST, key, Kind::Sum, Some(time));
            let call = client.sum(key, values(count, pause / 20)).timeout(time).total_timeout(time);
            if let Ok(result) = timeout(patience, call).await {
                let is_wrong = matches!(result, Ok(sum) if sum != (0..count).sum::<u64>());
                watched.end(if is_wrong { Told::Wrong(format!("{result:?}")) } else { Told::of(result) });
            }
        }
        8 => {
            let count = dice.below(60);
            let watched = ledger.watch(FIRST, key, Kind::Double, Some(time));
            let items = client.double(key, values(count, pause / 20)).timeout(time).total_timeout(time);
            if let Ok(told) = timeout(patience, read(items, (0..count).map(|value| value * 2), 0)).await {
                watched.end(told);
            }
        }
        9..=12 => {
            let kind = if dice.chance(0.25) { Kind::Pay } else { Kind::Look };
            let watched = ledger.watch(FIRST, key, kind, Some(time));
            let call = if kind == Kind::Pay { client.pay(key, pause) } else { client.look(key, pause) };
            if let Ok(result) = timeout(patience, call.timeout(time)).await {
                let is_wrong = matches!(result, Ok(value) if value != answer(key, 0));
                watched.end(if is_wrong { Told::Wrong(format!("{result:?}")) } else { Told::of(result) });
            }
        }
        13..=16 => look_up(client, ledger, dice, (key, time, patience)).await,
        _ => {
            let watched = ledger.watch(FIRST, key, Kind::Tell, Some(time));
            if let Ok(result) = timeout(patience, client.tell(key, pause).timeout(time)).await {
                watched.end(Told::of(result));
            }
        }
    }
}

/// Looks one of a few things up, for one of a few callers; they all share what their channel keeps.
async fn look_up(
    client: &WorkClient,
    ledger: &Ledger,
    dice: &mut Dice,
    (key, time, patience): (u64, Duration, Duration),
) {
    let watched = ledger.watch(FIRST, key, Kind::Read, Some(time));
    let (key, is_anew) = (dice.below(6), dice.chance(0.1));
    let caller = dice.pick(&["Ada", "Grace"]).copied().unwrap_or_default();
    let mut metadata = Metadata::new();
    if let Ok(entry) = metadata.set(CALLER, caller) {
        entry.sensitive();
    }
    let options = CallOptions::new().timeout(time).with_metadata(&metadata);
    let options = if is_anew { options.anew() } else { options };
    let began = Instant::now();
    let Ok(result) = timeout(patience, client.read(key).options(&options)).await else { return };
    if let Ok(reading) | Err(CallError::App(reading)) = &result {
        let (ended, is_error, reading) = (Instant::now(), result.is_err(), reading.clone());
        ledger.note(Read { caller, key, is_anew, began, ended, is_error, reading });
    }
    watched.end(Told::of(result));
}

/// Mostly small; some go in parts, and some need a grant.
fn size(dice: &mut Dice) -> usize {
    (match dice.below(80) {
        0 => 200_000 + dice.below(200_000),
        1..=3 => 10_000 + dice.below(60_000),
        _ => dice.below(200),
    }) as usize
}

fn values(count: u64, pause: u64) -> impl Stream<Item = u64> + Send + 'static {
    stream::iter(0..count).then(move |value| async move {
        if pause > 0 {
            tokio::time::sleep(millis(pause)).await;
        }
        value
    })
}

/// Reads a stream to its end, which must be that of all items.
async fn read(
    mut items: CallStream<traitwire::Channel, u64>,
    mut expected: impl Iterator<Item = u64>,
    pause: u64,
) -> Told {
    while let Some(item) = items.next().await {
        match item {
            Ok(value) if expected.next() == Some(value) => {}
            Ok(value) => return Told::Wrong(format!("{value} out of order")),
            Err(CallError::App(never)) => match never {},
            Err(CallError::Rpc(error)) => return ended(&mut items, &error).await,
        }
        if pause > 0 {
            tokio::time::sleep(millis(pause)).await;
        }
    }
    match expected.next() {
        Some(missing) => Told::Wrong(format!("the stream ended before {missing}")),
        None => Told::Answered,
    }
}

/// An error is the last thing that a stream gives.
async fn ended(items: &mut CallStream<traitwire::Channel, u64>, error: &RpcError) -> Told {
    match items.next().await {
        None => Told::failed(error),
        Some(more) => Told::Wrong(format!("{more:?} after {error}")),
    }
}
