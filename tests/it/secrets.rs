//! Secrets do not show: not in what is logged, at any level, nor in `Debug`, nor in errors.

use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use traitwire::observe::Counters;
use traitwire::policy::access::{Authenticate, Authorize, Rules, StaticTokens};
use traitwire::policy::quota::{Quota, Quotas};
use traitwire::tls::{CertifiedKey, ClientTls, ServerTls, dev};
use traitwire::{
    CallOptions, Caller, Channel, Code, Identity, Request, RpcError, Server, ServerBuilder, Token,
};

use super::support::{Hand, request, socket_path};

const SECRET: &str = "k3WTpUQ0-canary-of-the-token";

/// Everything that is logged, as text.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Captured>);

#[derive(Default)]
struct Captured {
    text: Mutex<String>,
    events: AtomicU64,
    spans: AtomicU64,
}

impl Capture {
    pub(crate) fn text(&self) -> String {
        self.0.text.lock().clone()
    }
}

impl Visit for Capture {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.text.lock(), "{field}={value:?} ");
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("traitwire") || metadata.target().starts_with("it")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(self.0.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is told by a layer that shows each request, as users debug.
struct Shows<H>(H, Capture);

impl<H: traitwire::Handler> traitwire::Handler for Shows<H> {
    fn handle(&self, request: Request) -> traitwire::HandlerFuture {
        let _ = writeln!(self.1.0.text.lock(), "{request:?} {:?}", traitwire::Context::current());
        self.0.handle(request)
    }
}

/// Serves at an address of each kind, behind one more layer, which shows.
async fn serve(builder: ServerBuilder, capture: Capture) -> Vec<String> {
    let builder = builder.layer(move |inner| Shows(inner, capture));
    let mut server = builder.bind("mem://secrets").await.unwrap();
    for uri in ["tls://127.0.0.1:0", "tcp://127.0.0.1:0", &format!("unix://{}", socket_path("secrets"))] {
        server = server.bind(uri).await.unwrap();
    }
    let addresses = server.addresses().to_vec();
    tokio::spawn(server.serve());
    addresses
}

#[tokio::test]
async fn no_log_no_debug_and_no_error_shows_a_secret() {
    let capture = Capture::default();
    let _logging = tracing::subscriber::set_default(capture.clone());
    let show = |shown: &dyn Debug| writeln!(capture.0.text.lock(), "{shown:?} {shown:#?}").unwrap();

    let ca = dev::Ca::new().unwrap();
    let place = std::env::temp_dir().join(format!("traitwire-{}-secrets", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let own: CertifiedKey = ca.issue_to(&place, "own", ["127.0.0.1", "spiffe://shop/own"]).unwrap();
    let key = std::fs::read_to_string(place.join("own.key")).unwrap();
    let in_memory = CertifiedKey::pem(std::fs::read(place.join("own.pem")).unwrap(), &key);
    let token = Token::new(SECRET).unwrap();
    let tokens = StaticTokens::new().with(&token, Identity::new(["user:ada"]));
    let audit = |decision: &traitwire::policy::access::Decision<'_>| {
        tracing::info!(?decision, reason = %decision.reason, "decided");
    };
    let authenticate = Authenticate::by(tokens.clone()).audited(audit);
    let authorize = Authorize::audited(Rules::new().allow("Hand.echo", ["user:ada"]).unwrap(), audit);
    let quotas = Quotas::new(Quota::in_flight(8));
    let tls = ServerTls::new(in_memory.clone()).ask_clients(ca.roots());
    let client_tls = ClientTls::new().roots(ca.roots()).certificate(in_memory);
    show(&(&own, &token, &tokens, &authenticate, &authorize, &quotas, &tls, &client_tls, &ca));

    let builder = Server::builder()
        .service(Hand::default())
        .observer(Arc::new(Counters::new()))
        .tls(tls)
        .layer(quotas.layer())
        .layer(move |inner| authorize.around(inner))
        .layer(move |inner| authenticate.around(inner));
    show(&builder);
    let addresses = serve(builder, capture.clone()).await;

    let mut codes = Vec::new();
    for uri in &addresses {
        // A place that logs asks who listens when it is passed first. Another test that passed it in the moment when this one began
        // may have written down that nobody does: a new listener has all of them asked again.
        drop(tracing::Dispatch::new(capture.clone()));
        let builder = Channel::builder().tls(client_tls.clone()).token(token.clone());
        show(&builder);
        let channel = builder.connect(uri).await.unwrap();
        show(&channel);
        let wrong = CallOptions::new().token(&Token::new(format!("{SECRET}-not")).unwrap());
        let long = CallOptions::new().metadata("authorization", format!("Bearer {}", SECRET.repeat(500)));
        show(&(&wrong, &long));
        for options in [CallOptions::new(), wrong, long] {
            for method in ["Hand.echo", "Hand.fail", "Hand.nothing"] {
                let request = request(method, "x").with_options(&options);
                show(&request);
                let outcome: Result<_, RpcError> = channel.call(request).await;
                if let Err(error) = &outcome {
                    codes.push(error.code());
                    show(error);
                    writeln!(capture.0.text.lock(), "{error}").unwrap();
                }
                show(&outcome);
            }
        }
    }
    assert!([Code::UNAUTHENTICATED, Code::PERMISSION_DENIED].iter().all(|code| codes.contains(code)));
    assert_eq!(codes.len(), 4 * 8 + 1, "one call of each address but `tcp://` has an answer");

    let text = capture.0.text.lock();
    for shown in
        ["the token is not known here", "user:ada may not call", "its token is taken", "not encrypted"]
    {
        assert!(text.contains(shown), "this says too little to prove anything: {shown}");
    }
    let (events, spans) = (capture.0.events.load(Ordering::Relaxed), capture.0.spans.load(Ordering::Relaxed));
    assert!(events > 20 && spans > 0, "{events} events, {spans} spans");
    assert!(!text.contains("canary"), "a token: {}", around(&text, "canary"));
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!text.contains(line), "a key: {}", around(&text, line));
    }
    std::fs::remove_dir_all(place).unwrap();
}

fn around<'a>(text: &'a str, found: &str) -> &'a str {
    let at = text.find(found).unwrap_or_default();
    let from =
        (0..=at.saturating_sub(200)).rev().find(|from| text.is_char_boundary(*from)).unwrap_or_default();
    &text[from..at]
}
