//! Who calls, and may they: tokens, the kernel's word, certificates; and credentials that do not leave where others read.

use std::sync::Arc;

use parking_lot::Mutex;
use traitwire::observe::Counters;
use traitwire::policy::access::{Authenticate, Authorize, Rules, StaticTokens, TokenRejected, TokenVerifier};
use traitwire::policy::quota::{Quota, Quotas};
use traitwire::tls::{ClientTls, ServerTls, dev};
use traitwire::{
    CallOptions, Caller, Channel, Code, Context, Delivery, Handler, HandlerFuture, Identity, Payload,
    Request, Response, RpcError, Server, ServerBuilder, Token, TokenSource,
};

use super::support::{Hand, Ledger, call, request, socket_path, until};

const SECRET: &str = "k3WTpUQ0-canary";

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn tokens() -> StaticTokens {
    StaticTokens::new()
        .with(&token(SECRET), Identity::new(["user:ada"]))
        .with(&token("grace-secret-0"), Identity::new(["user:grace"]))
}

/// Answers `Hand.context` with who calls, as the handler's context has it, and hands on everything else.
struct Who<H>(H);

impl<H: Handler> Handler for Who<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        if request.method() != "Hand.context" {
            return self.0.handle(request);
        }
        let of_request = request.identity().cloned();
        if request.arguments().bytes() == b"at once" {
            // Without a wait: the next call may have this one's context.
            assert_eq!(Context::current().identity(), of_request.as_ref());
            let told = of_request.map_or_else(|| "nobody".to_owned(), |identity| identity.to_string());
            return HandlerFuture::ready(Ok(Response::value(Payload::new(told.into_bytes()))));
        }
        HandlerFuture::new(async move {
            tokio::task::yield_now().await;
            let context = Context::current();
            assert_eq!(context.identity(), of_request.as_ref());
            let told = of_request.map_or_else(|| "nobody".to_owned(), |identity| identity.to_string());
            Ok(Response::value(Payload::new(told.into_bytes())))
        })
    }
}

/// A server whose handlers' starts are counted, and what its observer has counted.
async fn serve(
    uri: &str,
    layers: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> (String, Arc<Ledger>, Arc<Counters>) {
    let (hand, counters) = (Hand::default(), Arc::new(Counters::new()));
    let ledger = Arc::clone(&hand.ledger);
    let builder = Server::builder().service(hand).layer(Who).observer(counters.clone());
    let server = layers(builder).bind(uri).await.unwrap();
    let uri = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    (uri, ledger, counters)
}

async fn who(channel: &Channel) -> Result<String, RpcError> {
    call(channel, "Hand.context", "").await.map(|told| String::from_utf8(told).unwrap())
}

fn denied(error: &RpcError, code: Code) {
    assert_eq!((error.code(), error.delivery()), (code, Delivery::Refused), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_token_says_who_calls_and_without_one_nobody_does() {
    let authenticate = Authenticate::by(tokens());
    let (uri, ledger, counters) =
        serve("mem://access-tokens", |builder| builder.layer(move |inner| authenticate.around(inner))).await;
    let channel = Channel::builder().token(token(SECRET)).connect(&uri).await.unwrap();
    assert_eq!(who(&channel).await.unwrap(), "user:ada");
    let own = CallOptions::new().token(&token("grace-secret-0"));
    let told = channel.call(request("Hand.context", "").with_options(&own)).await.unwrap();
    assert_eq!(told.body().bytes(), b"user:grace", "a call's own token goes before the channel's");

    let nobody = Channel::connect(&uri).await.unwrap();
    let error = call(&nobody, "Hand.echo", "x").await.unwrap_err();
    denied(&error, Code::UNAUTHENTICATED);
    assert!(error.message().contains("the call has no token"), "{error}");
    for wrong in ["k3WTpUQ0-canar", "k3WTpUQ0-canary1", "K3WTpUQ0-canary"] {
        let wrong = CallOptions::new().token(&token(wrong));
        let error = nobody.call(request("Hand.echo", "x").with_options(&wrong)).await.unwrap_err();
        denied(&error, Code::UNAUTHENTICATED);
        assert!(error.message().contains("the token is not known here"), "{error}");
    }
    let long = CallOptions::new().metadata("authorization", format!("Bearer {}", "x".repeat(9_000)));
    let error = nobody.call(request("Hand.echo", "x").with_options(&long)).await.unwrap_err();
    denied(&error, Code::UNAUTHENTICATED);
    assert_eq!(ledger.counts(), (0, 0, 0), "no handler was started");
    assert_eq!(counters.snapshot().refused["denied"], 5);
}

#[tokio::test]
async fn callers_who_share_a_connection_are_told_apart() {
    let (uri, ..) = serve("mem://access-shared", |builder| {
        builder.layer(|inner| Optional {
            authenticated: Authenticate::by(tokens()).around(Arc::clone(&inner)),
            inner,
        })
    })
    .await;
    let channel = Channel::connect(&uri).await.unwrap();
    let of = |token: &str| CallOptions::new().token(&Token::new(token).unwrap());
    let callers =
        [(of(SECRET), "user:ada"), (CallOptions::new(), "nobody"), (of("grace-secret-0"), "user:grace")];
    for _ in 0..10 {
        for (options, expected) in &callers {
            let request = request("Hand.context", "at once").with_options(options);
            let told = channel.call(request).await.unwrap();
            assert_eq!(told.body().bytes(), expected.as_bytes());
        }
    }
}

/// Tokens that are renewed: each is good once.
#[derive(Default)]
struct Fresh(Mutex<u32>);

impl TokenSource for Fresh {
    fn token(&self, method: &str) -> Option<Token> {
        let mut next = self.0.lock();
        *next += 1;
        Some(token(&format!("{method}-{next}")))
    }
}

/// Somebody who is asked, and takes a while.
struct Asked;

#[async_trait::async_trait]
impl TokenVerifier for Asked {
    async fn verify(&self, token: &str) -> Result<Identity, TokenRejected> {
        tokio::task::yield_now().await;
        match token.rsplit_once('-') {
            Some((_, "3")) => Err(TokenRejected::new("the token has expired")),
            _ => Ok(Identity::new([format!("token:{token}")])),
        }
    }
}

#[tokio::test]
async fn tokens_may_be_renewed_for_each_call_and_judged_by_somebody_else() {
    let (uri, ..) =
        serve("mem://access-fresh", |builder| builder.layer(|inner| Authenticate::by(Asked).around(inner)))
            .await;
    let channel = Channel::builder().token(Fresh::default()).connect(&uri).await.unwrap();
    assert_eq!(who(&channel).await.unwrap(), "token:Hand.context-1");
    assert_eq!(who(&channel).await.unwrap(), "token:Hand.context-2");
    let error = who(&channel).await.unwrap_err();
    denied(&error, Code::UNAUTHENTICATED);
    assert!(error.message().contains("the token has expired"), "{error}");
}

#[tokio::test]
async fn credentials_leave_only_where_nobody_can_read_along() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let unix = format!("unix://{}", socket_path("access"));
    for uri in ["mem://access-private", "tls://127.0.0.1:0", &unix, "tcp://127.0.0.1:0"] {
        let layers = |builder: ServerBuilder| {
            builder.tls(tls.clone()).layer(|inner| Authenticate::by(tokens()).around(inner))
        };
        let (uri, ..) = serve(uri, layers).await;
        let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
        let channel = builder.clone().token(token(SECRET)).connect(&uri).await.unwrap();
        let of_call = CallOptions::new().token(&token(SECRET));
        let bare = builder.clone().connect(&uri).await.unwrap();
        let by_call = bare.call(request("Hand.context", "").with_options(&of_call)).await;
        if !uri.starts_with("tcp://") {
            assert_eq!(who(&channel).await.unwrap(), "user:ada", "{uri}");
            assert_eq!(by_call.unwrap().body().bytes(), b"user:ada", "{uri}");
            continue;
        }
        for error in [who(&channel).await.unwrap_err(), by_call.unwrap_err()] {
            assert_eq!(
                (error.code(), error.delivery()),
                (Code::UNAUTHENTICATED, Delivery::NotSent),
                "{error}"
            );
            assert!(error.message().contains("this link is not encrypted: connect with `tls://`"), "{error}");
        }
        let careless = builder.token(token(SECRET)).credentials_over_plain_links();
        assert_eq!(who(&careless.connect(&uri).await.unwrap()).await.unwrap(), "user:ada");
    }
}

#[tokio::test]
async fn the_kernel_says_who_is_at_the_other_end_of_a_unix_socket() {
    use std::os::unix::fs::MetadataExt;
    let path = socket_path("access-kernel");
    let (uri, ..) = serve(&format!("unix://{path}"), |builder| {
        builder.layer(|inner| Authenticate::by(tokens()).or_by_connection().around(inner))
    })
    .await;
    // The socket's file is of the user that this process runs as.
    let own = std::fs::metadata(&path).unwrap();
    let channel = Channel::connect(&uri).await.unwrap();
    assert_eq!(who(&channel).await.unwrap(), format!("unix:uid:{}, unix:gid:{}", own.uid(), own.gid()));
    let channel = Channel::builder().token(token(SECRET)).connect(&uri).await.unwrap();
    assert_eq!(who(&channel).await.unwrap(), "user:ada", "a token goes before the connection");
    let channel = Channel::builder().token(token("unknown")).connect(&uri).await.unwrap();
    denied(&who(&channel).await.unwrap_err(), Code::UNAUTHENTICATED);
}

#[tokio::test]
async fn what_no_rule_allows_is_denied_before_it_is_decoded_and_each_decision_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let rules =
        |methods| Rules::new().allow(methods, ["user:ada"]).unwrap().allow_anybody("Hand.echo").unwrap();
    let authorize = Authorize::audited(rules("Hand.context"), {
        let told = Arc::clone(&told);
        move |decision| {
            let caller = decision.caller.map_or_else(|| "nobody".to_owned(), ToString::to_string);
            assert!(decision.address.starts_with("mem://"));
            told.lock().push(format!("{} {caller} {}", decision.method, decision.reason));
        }
    });
    let layer = authorize.clone();
    let (uri, ledger, counters) = serve("mem://access-rules", move |builder| {
        builder.layer(move |inner| layer.around(inner)).layer(|inner| Optional {
            authenticated: Authenticate::by(tokens()).around(Arc::clone(&inner)),
            inner,
        })
    })
    .await;
    let ada = Channel::builder().token(token(SECRET)).connect(&uri).await.unwrap();
    let nobody = Channel::connect(&uri).await.unwrap();
    assert_eq!(who(&ada).await.unwrap(), "user:ada");
    assert_eq!(call(&nobody, "Hand.echo", "x").await.unwrap(), b"x");
    let started = ledger.counts().0;
    denied(&who(&nobody).await.unwrap_err(), Code::UNAUTHENTICATED);
    let error = call(&ada, "Hand.fail", "").await.unwrap_err();
    denied(&error, Code::PERMISSION_DENIED);
    assert!(error.message().contains("user:ada may not call `Hand.fail`"), "{error}");
    denied(&call(&ada, "Hand.nothing", "").await.unwrap_err(), Code::PERMISSION_DENIED);
    assert_eq!(ledger.counts().0, started, "no handler was started");
    assert_eq!(counters.snapshot().refused["denied"], 3);
    authorize.replace(rules("Hand.*"));
    call(&ada, "Hand.sleep", "0").await.unwrap();
    let expected = [
        "Hand.context user:ada the rule `Hand.context` for `user:ada` allows it",
        "Hand.echo nobody the rule `Hand.echo` for `anybody` allows it",
        "Hand.context nobody no rule allows it",
        "Hand.fail user:ada no rule allows it",
        "Hand.nothing user:ada no rule allows it",
        "Hand.sleep user:ada the rule `Hand.*` for `user:ada` allows it",
    ];
    assert_eq!(*told.lock(), expected);
}

/// A layer of a user's own: who brings a token is held to it, others are nobody.
struct Optional<A> {
    authenticated: A,
    inner: Arc<dyn Handler>,
}

impl<A: Handler> Handler for Optional<A> {
    fn handle(&self, request: Request) -> HandlerFuture {
        let has_token = request.metadata().get("authorization").is_some();
        if has_token { self.authenticated.handle(request) } else { self.inner.handle(request) }
    }
}

#[tokio::test]
async fn nobody_gets_as_far_as_the_rules_where_that_may_be() {
    let rules = Rules::new()
        .allow_anybody("Hand.context")
        .and_then(|rules| rules.allow("Hand.*", ["user:*"]))
        .unwrap();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reasons);
    let audit = move |decision: &traitwire::policy::access::Decision<'_>| {
        told.lock().push(decision.reason.to_string())
    };
    let (authorize, authenticate) =
        (Authorize::new(rules), Authenticate::by(tokens()).or_nobody().audited(audit));
    let (uri, ledger, _) = serve("mem://access-nobody", |builder| {
        let builder = builder.layer(move |inner| authorize.around(inner));
        builder.layer(move |inner| authenticate.around(inner))
    })
    .await;
    let nobody = Channel::connect(&uri).await.unwrap();
    assert_eq!(who(&nobody).await.unwrap(), "nobody");
    denied(&call(&nobody, "Hand.echo", "x").await.unwrap_err(), Code::UNAUTHENTICATED);
    let ada = Channel::builder().token(token(SECRET)).connect(&uri).await.unwrap();
    assert_eq!(
        (who(&ada).await.unwrap(), call(&ada, "Hand.echo", "x").await.unwrap()),
        ("user:ada".to_owned(), b"x".to_vec())
    );
    // Nobody is better than a liar.
    let liar = Channel::builder().token(token("guess-canary")).connect(&uri).await.unwrap();
    denied(&who(&liar).await.unwrap_err(), Code::UNAUTHENTICATED);
    drop(ledger);
    let reasons = reasons.lock().clone();
    let needs_none = "it has no token, and needs none here";
    assert_eq!(reasons[..4], [needs_none, needs_none, "its token is taken", "its token is taken"]);
    assert_eq!(reasons.len(), 5);
}

#[tokio::test]
async fn a_certificate_says_who_calls_to_every_layer() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap()).ask_clients(ca.roots());
    let rules = Rules::new()
        .allow("Hand.*", ["spiffe://shop/tills/*", "user:ada"])
        .and_then(|rules| rules.deny("Hand.fail", ["spiffe://shop/tills/7"]))
        .unwrap();
    let quotas =
        Quotas::new(Quota::in_flight(1)).except(["spiffe://shop/tills/7"], Quota::in_flight(2)).unwrap();
    let (authorize, layer) = (Authorize::new(rules), quotas.layer());
    let (uri, ledger, counters) = serve("tls://127.0.0.1:0", |builder| {
        let builder = builder.tls(tls).layer(layer).layer(move |inner| authorize.around(inner));
        builder.layer(|inner| Authenticate::by(tokens()).or_by_connection().around(inner))
    })
    .await;
    let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
    let of = async |name: &str| {
        let tls = ClientTls::new().roots(ca.roots()).certificate(ca.issue([name]).unwrap());
        Channel::builder().tls(tls).connect(&uri).await.unwrap()
    };
    let (seven, eight) = (of("spiffe://shop/tills/7").await, of("spiffe://shop/tills/8").await);
    assert_eq!(who(&seven).await.unwrap(), "spiffe://shop/tills/7");
    denied(&call(&seven, "Hand.fail", "").await.unwrap_err(), Code::PERMISSION_DENIED);
    let basket = of("spiffe://shop/basket").await;
    let error = who(&basket).await.unwrap_err();
    denied(&error, Code::PERMISSION_DENIED);
    assert!(error.message().contains("spiffe://shop/basket may not call `Hand.context`"), "{error}");
    // Who shows neither a certificate nor a token is nobody; a token goes before a certificate.
    denied(&who(&builder.clone().connect(&uri).await.unwrap()).await.unwrap_err(), Code::UNAUTHENTICATED);
    let ada = CallOptions::new().token(&token(SECRET));
    let told = basket.call(request("Hand.context", "").with_options(&ada)).await.unwrap();
    assert_eq!(told.body().bytes(), b"user:ada");
    assert_eq!(counters.snapshot().refused["denied"], 3);

    // Each certificate has a quota of its own, whatever connection it comes by.
    let before = ledger.counts().0;
    let sleeping = [&seven, &seven, &eight].map(|channel| {
        let channel = channel.clone();
        tokio::spawn(async move { call(&channel, "Hand.sleep", "60000").await })
    });
    until("all three sleep", || ledger.counts().0 == before + 3).await;
    for channel in [&of("spiffe://shop/tills/7").await, &eight] {
        let error = call(channel, "Hand.echo", "x").await.unwrap_err();
        assert_eq!(
            (error.code(), error.delivery()),
            (Code::RESOURCE_EXHAUSTED, Delivery::Refused),
            "{error}"
        );
        assert!(error.message().starts_with("the quota is used up: spiffe://shop/tills/"), "{error}");
    }
    assert_eq!(quotas.snapshot().refused, 2);
    sleeping.iter().for_each(tokio::task::JoinHandle::abort);
    until("they are stopped", || ledger.counts().2 == 3).await;
    assert_eq!(call(&eight, "Hand.echo", "x").await.unwrap(), b"x");
}

/// Notes the lengths of what it is asked about, and takes all of it.
#[derive(Clone, Default)]
struct Lengths(Arc<Mutex<Vec<usize>>>);

#[async_trait::async_trait]
impl TokenVerifier for Lengths {
    async fn verify(&self, token: &str) -> Result<Identity, TokenRejected> {
        self.0.lock().push(token.len());
        Ok(Identity::new(["user:ada"]))
    }
}

#[tokio::test]
async fn what_can_be_no_token_reaches_no_verifier() {
    let verifier = Lengths::default();
    let authenticate = Authenticate::by(verifier.clone()).or_nobody();
    let (uri, ledger, _) =
        serve("mem://access-lengths", |builder| builder.layer(move |inner| authenticate.around(inner))).await;
    let channel = Channel::connect(&uri).await.unwrap();
    let with = async |length: usize| {
        let options = CallOptions::new().metadata("authorization", format!("Bearer {}", "x".repeat(length)));
        channel.call(request("Hand.echo", "x").with_options(&options)).await
    };
    for length in [1, 8_192] {
        with(length).await.unwrap();
    }
    for length in [0, 8_193, 12_000] {
        let error = with(length).await.unwrap_err();
        denied(&error, Code::UNAUTHENTICATED);
        let words = format!("the token has {length} bytes, where it may have 1 to 8192");
        assert!(error.message().contains(&words), "{error}");
    }
    assert_eq!(*verifier.0.lock(), [1, 8_192]);
    assert_eq!(ledger.counts().0, 2, "no other handler was started");
}
