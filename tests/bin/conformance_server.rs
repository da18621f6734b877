//! `conformance-server --listen URI [--ledger FILE] [--limit KEY=VALUE]…`: serves trait `Conformance`, over TLS with
//! `--tls-cert FILE --tls-key FILE`; with `--tls-ca FILE` clients have to show a certificate, as the server itself does by
//! `--client-cert FILE --client-key FILE` where it calls on; with `--token TOKEN` calls have to carry it; with
//! `--register URI` (any number of times) and `--advertise URI` it registers. Prints `listening URI` as its first line; drains on SIGTERM, leaves at once on a second one. Exit 0 after a full drain, 1 if
//! calls were cut, 2 for usage.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks on its standard streams"
)]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use traitwire::policy::access::{Authenticate, StaticTokens};
use traitwire::{Channel, Identity, Server, ServerBuilder, Token};
use traitwire_tests::{ConformanceServer, Exerciser, TlsOptions};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(cut) => {
            eprintln!("{cut} calls were cut");
            ExitCode::FAILURE
        }
        Err(mistake) => {
            eprintln!("conformance-server: {mistake}");
            eprintln!("usage: conformance-server --listen URI [--ledger FILE] [--limit KEY=VALUE]...");
            eprintln!("       [--register URI]... [--advertise URI] [--token TOKEN]");
            eprintln!("       {}", TlsOptions::USAGE);
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &[String]) -> Result<usize, String> {
    let (mut listen, mut service, mut limits) = (None, Exerciser::default(), Vec::new());
    let (mut tls, mut token) = (TlsOptions::default(), None);
    let (mut registries, mut advertised) = (Vec::new(), None);
    let mut arguments = arguments.iter();
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{option}` wants a value"))?;
        match option.as_str() {
            "--listen" => listen = Some(value),
            "--ledger" => {
                service = Exerciser::with_ledger(Path::new(value))
                    .map_err(|error| format!("`{value}`: {error}"))?;
            }
            "--limit" => limits.push(value),
            "--register" => registries.push(value),
            "--advertise" => advertised = Some(value),
            "--token" => token = Some(Token::new(value).map_err(|error| error.to_string())?),
            _ if tls.take(option, value) => {}
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    let listen = listen.ok_or("`--listen` is missing")?;
    let mut builder =
        Server::builder().observer(service.counters()).service(ConformanceServer::new(service.clone()));
    builder = registries.into_iter().fold(builder, |builder, uri| builder.register(uri));
    if let Some(address) = advertised {
        builder = builder.advertise(address);
    }
    let mut keepalive = (traitwire::limits::KEEPALIVE, traitwire::limits::KEEPALIVE_TIMEOUT);
    for limit in limits {
        builder = set_limit(builder, limit, &mut keepalive)?;
    }
    if let Some(tls) = tls.server()? {
        builder = builder.tls(tls);
    }
    let mut own = Channel::builder().tls(tls.client()?);
    if let Some(token) = token {
        let tokens = StaticTokens::new().with(&token, Identity::new(["token:conformance"]));
        builder = builder.layer(move |inner| Authenticate::by(tokens).around(inner));
        own = own.token(token);
    }
    let server = builder.bind(listen).await.map_err(|error| error.to_string())?;
    let address = server.addresses()[0].clone();
    service.listens_at(&address, own);
    // Before the line that tells others whom to end.
    let signals = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    println!("listening {address}");
    // Whoever started this waits for the line.
    let _ = std::io::stdout().flush();
    let drained = server.serve_with_shutdown(terminated(signals)).await.map_err(|error| error.to_string())?;
    Ok(drained.cut)
}

/// Ready at the first SIGTERM; the second one ends the process.
async fn terminated(mut signals: Signal) {
    signals.recv().await;
    tokio::spawn(async move {
        signals.recv().await;
        std::process::exit(1);
    });
}

const KEYS: &str = "message, elements, depth, in_flight, connections, streams, credit, vain_frames, handshake_ms, stall_ms, \
                    keepalive_ms, keepalive_timeout_ms, drain_grace_ms";

fn set_limit(
    builder: ServerBuilder,
    limit: &str,
    keepalive: &mut (Duration, Duration),
) -> Result<ServerBuilder, String> {
    let (key, value) = limit.split_once('=').ok_or_else(|| format!("`--limit {limit}` is not KEY=VALUE"))?;
    let number: u64 = value.parse().map_err(|_| format!("`{value}` in `--limit {limit}` is not a number"))?;
    let size = usize::try_from(number).unwrap_or(usize::MAX);
    let small = u32::try_from(number).unwrap_or(u32::MAX);
    let time = Duration::from_millis(number);
    Ok(match key {
        "message" => builder.message(size),
        "elements" => builder.elements(small),
        "depth" => builder.depth(u8::try_from(number).unwrap_or(u8::MAX)),
        "in_flight" => builder.in_flight(small),
        "connections" => builder.connections(size),
        "streams" => builder.streams(small),
        "credit" => builder.credit(size),
        "vain_frames" => builder.vain_frames(small),
        "handshake_ms" => builder.handshake_timeout(time),
        "stall_ms" => builder.write_stall(time),
        "keepalive_ms" => {
            keepalive.0 = time;
            builder.keepalive(keepalive.0, keepalive.1)
        }
        "keepalive_timeout_ms" => {
            keepalive.1 = time;
            builder.keepalive(keepalive.0, keepalive.1)
        }
        "drain_grace_ms" => builder.grace(time),
        _ => return Err(format!("unknown limit `{key}`; known are {KEYS}")),
    })
}
