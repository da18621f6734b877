//! `conformance-client --connect URI… [--policy FILE.toml] [--tls-ca FILE] [--client-cert FILE --client-key FILE] [--token TOKEN]`:
//! reads one call a line as JSON, starts each at once, and prints one line as each ends, before it one for each item of a
//! stream. With more than one `--connect`, a call's `"to"` says which it goes to: 0 for the first, as without it. Serves `Callback` on the same connection. Leaves with 0 when the input ends and all calls have ended, with 2 if
//! a line or the file could not be read.
#![expect(clippy::print_stderr, reason = "a program that talks on its standard streams")]

use std::io::Write;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::Instant;
use traitwire::policy::Policies;
use traitwire::{CallError, CallOptions, Channel, RpcError, Token};
use traitwire_tests::{
    Answering, CallbackServer, Dynamic, TlsOptions, from_json, metadata_from_json, to_json,
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let channels = match channels(&arguments) {
        Ok(channels) => channels,
        Err(mistake) => return usage(&mistake),
    };
    let mut input = BufReader::new(tokio::io::stdin());
    // Bytes, because a line that is no text is told as any other that cannot be read.
    let mut line = Vec::new();
    let mut calls = JoinSet::new();
    let mut all_read = true;
    while let Ok(1..) = input.read_until(b'\n', &mut line).await {
        let read = serde_json::from_slice::<Line>(&line).map_err(|error| error.to_string());
        line.clear();
        match read.and_then(|line| line.prepare(&channels)) {
            Ok(call) => drop(calls.spawn(call.run())),
            Err(mistake) => {
                all_read = false;
                print(&json!({ "id": null, "bad_input": mistake }));
            }
        }
    }
    while calls.join_next().await.is_some() {}
    if all_read { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn channels(arguments: &[String]) -> Result<Vec<Channel>, String> {
    let (mut uris, mut policies, mut tls, mut token) =
        (Vec::new(), Policies::new(), TlsOptions::default(), None);
    for pair in arguments.chunks(2) {
        let [option, value] = pair else { return Err(format!("`{}` wants a value", pair[0])) };
        match option.as_str() {
            "--connect" => uris.push(value),
            "--policy" => policies = Policies::load(value).map_err(|error| format!("{value}: {error}"))?,
            "--token" => token = Some(Token::new(value).map_err(|error| error.to_string())?),
            _ if tls.take(option, value) => {}
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    let mut builder =
        Channel::builder().service(CallbackServer::new(Answering)).policies(policies).tls(tls.client()?);
    if let Some(token) = token {
        builder = builder.token(token);
    }
    if uris.is_empty() {
        return Err("`--connect` is missing".to_owned());
    }
    let channels = uris.into_iter().map(|uri| builder.clone().lazy(uri)).collect::<Result<_, _>>();
    channels.map_err(|error| error.message().to_owned())
}

fn usage(mistake: &str) -> ExitCode {
    eprintln!("conformance-client: {mistake}");
    eprintln!("usage: conformance-client --connect URI... [--policy FILE.toml] [--token TOKEN]");
    eprintln!("       {}", TlsOptions::USAGE);
    ExitCode::from(2)
}

/// One line whole, whoever else prints.
fn print(line: &Json) {
    let mut out = std::io::stdout().lock();
    // A reader that is gone does not want the rest.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A call as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Json,
    method: String,
    #[serde(default)]
    args: Vec<Json>,
    /// The items of a stream that the method takes.
    input: Option<Vec<Json>>,
    /// The pause before each item that is read.
    read_delay_ms: Option<u64>,
    timeout_ms: Option<u64>,
    cancel_after_ms: Option<u64>,
    metadata: Option<Json>,
    /// Which `--connect`.
    #[serde(default)]
    to: usize,
}

/// A call ready to be made.
struct Prepared {
    id: Json,
    channel: Channel,
    call: Dynamic,
    cancel_after: Option<Duration>,
    read_delay: Duration,
}

impl Line {
    fn prepare(self, channels: &[Channel]) -> Result<Prepared, String> {
        let channel = channels.get(self.to).ok_or_else(|| format!("there is no `--connect` {}", self.to))?;
        let packed = |values: &[Json]| values.iter().map(from_json).collect::<Result<Vec<_>, _>>();
        let (arguments, input) = (packed(&self.args)?, self.input.as_deref().map(packed).transpose()?);
        let mut options = CallOptions::new();
        if let Some(millis) = self.timeout_ms {
            options = options.timeout(Duration::from_millis(millis));
        }
        if let Some(metadata) = &self.metadata {
            options = options.with_metadata(&metadata_from_json(metadata)?);
        }
        let call = Dynamic::new(&self.method, &arguments, input.as_deref(), options);
        let cancel_after = self.cancel_after_ms.map(Duration::from_millis);
        let read_delay = Duration::from_millis(self.read_delay_ms.unwrap_or(0));
        Ok(Prepared { id: self.id, channel: channel.clone(), call, cancel_after, read_delay })
    }
}

impl Prepared {
    async fn run(self) {
        let began = Instant::now();
        let mut items = self.call.is_stream().then_some(0);
        let call = async {
            match &mut items {
                None => self.call.call(&self.channel).await,
                Some(count) => {
                    let items = self.call.open(&self.channel).await?;
                    read_all(items, &self.id, self.read_delay, count).await?;
                    Ok(rmpv::Value::Nil)
                }
            }
        };
        let ended = match self.cancel_after {
            Some(after) => tokio::time::timeout(after, call).await.ok(),
            None => Some(call.await),
        };
        let elapsed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut line = match ended {
            None => json!({ "cancelled": true }),
            Some(Ok(value)) => json!({ "ok": to_json(&value) }),
            Some(Err(CallError::App(value))) => json!({ "app_error": to_json(&value) }),
            Some(Err(CallError::Rpc(error))) => json!({ "rpc_error": describe(&error) }),
        };
        line["id"] = self.id;
        line["elapsed_us"] = json!(elapsed);
        if let Some(items) = items {
            line["items"] = json!(items);
        }
        print(&line);
    }
}

/// Prints each item, and counts them.
async fn read_all(
    items: impl Stream<Item = Result<rmpv::Value, CallError<rmpv::Value>>>,
    id: &Json,
    delay: Duration,
    count: &mut u64,
) -> Result<(), CallError<rmpv::Value>> {
    let mut items = pin!(items);
    loop {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let Some(item) = items.next().await else { return Ok(()) };
        print(&json!({ "id": id, "item": to_json(&item?) }));
        *count += 1;
    }
}

fn describe(error: &RpcError) -> Json {
    json!({
        "code": error.code().to_string(),
        "delivery": error.delivery().to_string(),
        "message": error.message(),
        "attempts": error.attempts(),
    })
}
