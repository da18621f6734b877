//! `#[rpc(allow = "…")]`: who has the role gets in, nobody else does, and not where nobody decides. Rules in files, replaced while
//! calls go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use traitwire::observe::Counters;
use traitwire::policy::access::{Authenticate, Authorize, Rules, StaticTokens};
use traitwire::{
    CallError, CallOptions, Caller, Channel, Client, Code, Context, Delivery, Identity, Payload, Request,
    Server, Token, loopback, rpc_service,
};

#[rpc_service]
trait Till {
    async fn pay(&self, cents: u64) -> u64;
    #[rpc(allow("clerk", "manager"))]
    async fn refund(&self, cents: u64) -> u64;
    async fn ask_client(&self) -> Result<u64, String>;
}

/// Counts the handlers that were started.
#[derive(Clone, Default)]
struct Drawer(Arc<AtomicU32>);

impl Till for Drawer {
    async fn pay(&self, cents: u64) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        cents
    }

    async fn refund(&self, cents: u64) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        cents
    }

    async fn ask_client(&self) -> Result<u64, String> {
        let client: TillClient = Context::current().peer_client().ok_or("nobody to call back")?;
        client.refund(1).await.map_err(|error| error.to_string())
    }
}

const RULES: &str = "[service.Till]\nallow = [\"*\"]\n";

fn of(name: &str) -> Token {
    Token::new(format!("token-of-{name}")).unwrap()
}

fn tokens() -> StaticTokens {
    StaticTokens::new()
        .with(&of("ada"), Identity::new(["user:ada"]).with_roles(["clerk"]))
        .with(&of("eve"), Identity::new(["user:eve"]))
}

fn denied<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> String {
    let Err(CallError::Rpc(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((error.code(), error.delivery()), (Code::PERMISSION_DENIED, Delivery::Refused), "{error}");
    error.message().to_owned()
}

#[tokio::test]
async fn a_role_is_held_against_the_trait_s_before_anything_is_decoded() {
    let (drawer, counters, told) =
        (Drawer::default(), Arc::new(Counters::new()), Arc::new(Mutex::new(Vec::new())));
    let audit = |told: &Arc<Mutex<Vec<String>>>| {
        let told = Arc::clone(told);
        move |decision: &traitwire::policy::access::Decision<'_>| {
            assert_eq!(decision.allowed, decision.reason.allows());
            let caller = decision.caller.map_or_else(|| "nobody".to_owned(), ToString::to_string);
            told.lock().push(format!("{} {caller}: {}", decision.method, decision.reason));
        }
    };
    let authorize = Authorize::audited(Rules::from_toml(RULES).unwrap(), audit(&told));
    let authenticate = Authenticate::by(tokens()).audited(audit(&told));
    let layer = authorize.clone();
    let server = Server::builder()
        .service(TillServer::new(drawer.clone()))
        .observer(counters.clone())
        .layer(move |inner| layer.around(inner))
        .layer(move |inner| authenticate.around(inner))
        .bind("mem://roles")
        .await
        .unwrap();
    tokio::spawn(server.serve());
    let channel = Channel::connect("mem://roles").await.unwrap();
    let till = TillClient::new(channel.clone());
    let [ada, eve] = ["ada", "eve"].map(|name| till.with(CallOptions::new().token(&of(name))));

    assert_eq!(ada.refund(5).await.unwrap(), 5);
    assert_eq!(eve.pay(5).await.unwrap(), 5);
    let text = denied(eve.refund(5).await);
    assert_eq!(text, "user:eve may not call `Till.refund`", "the same as of a method that is not there");
    let refund =
        TillClient::<Channel>::DESCRIPTOR.methods.iter().find(|method| method.name == "refund").unwrap();
    let garbage = Request::new(refund, Payload::new(vec![0xc1; 20]));
    let error = channel.call(garbage.with_options(&CallOptions::new().token(&of("eve")))).await.unwrap_err();
    assert_eq!(error.code(), Code::PERMISSION_DENIED, "{error}");
    assert!(till.pay(5).await.is_err());
    assert!(till.with(CallOptions::new().token(&of("mallory"))).pay(5).await.is_err());

    let taken = "its token is taken";
    let expected = [
        format!("Till.refund user:ada: {taken}"),
        "Till.refund user:ada: the caller has the role `clerk`".to_owned(),
        format!("Till.pay user:eve: {taken}"),
        "Till.pay user:eve: the rule `Till.*` for `*` allows it".to_owned(),
        format!("Till.refund user:eve: {taken}"),
        "Till.refund user:eve: the caller has none of the roles `clerk`, `manager`".to_owned(),
        format!("Till.refund user:eve: {taken}"),
        "Till.refund user:eve: the caller has none of the roles `clerk`, `manager`".to_owned(),
        "Till.pay nobody: the call has no token (metadata `authorization`: `Bearer …`)".to_owned(),
        "Till.pay nobody: the token is not known here".to_owned(),
    ];
    assert_eq!(*told.lock(), expected);
    assert!(!format!("{:?}", told.lock()).contains("token-of"));
    assert_eq!(drawer.0.load(Ordering::Relaxed), 2, "nobody else's call was started");
    assert_eq!(counters.snapshot().refused["denied"], 4);

    // Rules that are replaced while the connection goes on; a text with a mistake replaces nothing.
    let text = format!("{RULES}[role]\nmanager = [\"user:eve\"]\n");
    authorize.replace(Rules::from_toml(&text).unwrap());
    assert_eq!(eve.refund(7).await.unwrap(), 7);
    let before = authorize.rules().to_string();
    assert_eq!(before, "[role]\nmanager = [\"user:eve\"]\n\n[service.Till]\nallow = [\"*\"]\n");
    let replaced = Rules::from_toml(&text.replace("[role]", "[roles]")).map(|rules| authorize.replace(rules));
    let error = replaced.unwrap_err().to_string();
    assert_eq!(error, "line 3: `roles`: there is no such key: did you mean `role`?");
    assert_eq!(authorize.rules().to_string(), before);
    assert_eq!(eve.refund(8).await.unwrap(), 8);
    authorize.replace(Rules::new());
    denied(eve.refund(9).await);
    assert_eq!(ada.refund(9).await.unwrap(), 9, "the trait's word holds where no rule says anything");
}

#[tokio::test]
async fn where_nobody_decides_about_roles_everybody_is_denied_but_oneself() {
    let drawer = Drawer::default();
    let authenticate = Authenticate::by(tokens());
    let server = Server::builder()
        .service(TillServer::new(drawer.clone()))
        .layer(move |inner| authenticate.around(inner))
        .bind("mem://roles-forgotten")
        .await
        .unwrap();
    tokio::spawn(server.serve());
    let builder = Channel::builder().service(TillServer::new(drawer.clone())).token(of("ada"));
    let till = TillClient::new(builder.connect("mem://roles-forgotten").await.unwrap());
    assert_eq!(till.pay(5).await.unwrap(), 5);
    let text = denied(till.refund(5).await);
    assert!(
        text.starts_with("`Till.refund` is for the roles `clerk`, `manager`, and nothing here decides"),
        "{text}"
    );
    let called_back = till.ask_client().await.unwrap_err().to_string();
    assert!(called_back.contains("nothing here decides"), "{called_back}");
    let own: TillClient = loopback(TillServer::new(drawer));
    assert_eq!(own.refund(5).await.unwrap(), 5);
}
