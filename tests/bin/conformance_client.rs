//! `conformance-client --connect URI`: reads one call a line as JSON, starts each at once, and prints one line as each
//! ends. Leaves with 0 when the input ends and all calls have ended, with 2 if a line could not be read.
#![expect(clippy::print_stderr, reason = "a program that talks on its standard streams")]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::Instant;
use traitwire::{CallOptions, Caller, Channel, Payload, Request, RpcError};
use traitwire_tests::{from_json, metadata_from_json, to_json};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [option, uri] = arguments.as_slice() else { return usage("it takes `--connect URI`") };
    if option != "--connect" {
        return usage(&format!("unknown option `{option}`; known is --connect"));
    }
    let channel = match Channel::builder().lazy(uri) {
        Ok(channel) => channel,
        Err(error) => return usage(error.message()),
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut calls = JoinSet::new();
    let mut all_read = true;
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<Line>(&line).map_err(|error| error.to_string()).and_then(Line::prepare) {
            Ok(call) => drop(calls.spawn(call.run(channel.clone()))),
            Err(mistake) => {
                all_read = false;
                print(&json!({ "id": null, "bad_input": mistake }));
            }
        }
    }
    while calls.join_next().await.is_some() {}
    if all_read { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn usage(mistake: &str) -> ExitCode {
    eprintln!("conformance-client: {mistake}");
    eprintln!("usage: conformance-client --connect URI");
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
    timeout_ms: Option<u64>,
    cancel_after_ms: Option<u64>,
    metadata: Option<Json>,
}

/// A call ready to be made.
struct Prepared {
    id: Json,
    request: Box<dyn FnOnce() -> Request + Send>,
    cancel_after: Option<Duration>,
}

impl Line {
    fn prepare(self) -> Result<Prepared, String> {
        let mut arguments = Vec::new();
        let packed = rmpv::Value::Array(self.args.iter().map(from_json).collect::<Result<_, _>>()?);
        rmpv::encode::write_value(&mut arguments, &packed).map_err(|error| error.to_string())?;
        let mut options = CallOptions::new();
        if let Some(millis) = self.timeout_ms {
            options = options.timeout(Duration::from_millis(millis));
        }
        if let Some(metadata) = &self.metadata {
            options = options.with_metadata(&metadata_from_json(metadata)?);
        }
        let method =
            if self.method.contains('.') { self.method } else { format!("Conformance.{}", self.method) };
        let request = move || Request::by_name(method, Payload::new(arguments)).with_options(&options);
        let cancel_after = self.cancel_after_ms.map(Duration::from_millis);
        Ok(Prepared { id: self.id, request: Box::new(request), cancel_after })
    }
}

impl Prepared {
    async fn run(self, channel: Channel) {
        let began = Instant::now();
        let call = channel.call((self.request)());
        let ended = match self.cancel_after {
            Some(after) => tokio::time::timeout(after, call).await.ok(),
            None => Some(call.await),
        };
        let elapsed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut line = match ended {
            None => json!({ "cancelled": true }),
            Some(Err(error)) => json!({ "rpc_error": describe(&error) }),
            Some(Ok(response)) => {
                let key = if response.is_app_error() { "app_error" } else { "ok" };
                match rmpv::decode::read_value(&mut response.body().bytes()) {
                    Ok(value) => json!({ key: to_json(&value) }),
                    Err(error) => json!({ "rpc_error": undecodable(&error) }),
                }
            }
        };
        line["id"] = self.id;
        line["elapsed_us"] = json!(elapsed);
        print(&line);
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

fn undecodable(error: &rmpv::decode::Error) -> Json {
    let message = format!("the value that came back does not decode: {error}");
    json!({ "code": "internal", "delivery": "executed", "message": message, "attempts": 1 })
}
