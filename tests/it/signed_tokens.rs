//! Signed tokens of an issuer, from the client to the rules: here with serde_json's `arbitrary_precision`, which this workspace's
//! tests turn on, and under which numbers look different to those who read them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};
use traitwire::policy::access::{Authenticate, Authorize, Jwt, JwtKeys, Rules};
use traitwire::{CallOptions, Caller, Channel, Code, Delivery, RpcError, Server, Token};

use super::support::{Hand, request};

/// Somebody who signs tokens.
struct Issuer {
    id: &'static str,
    key: KeyPair,
}

impl Issuer {
    fn new(id: &'static str) -> Self {
        Self { id, key: KeyPair::generate_for(&PKCS_ED25519).unwrap() }
    }

    fn keys(&self) -> JwtKeys {
        let public = URL_SAFE_NO_PAD.encode(self.key.der_bytes());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": public });
        JwtKeys::from_jwks(&json!({ "keys": [key] }).to_string()).unwrap()
    }

    fn token(&self, claims: &Value) -> Token {
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": self.id })), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()).unwrap());
        Token::new(format!("{message}.{signature}")).unwrap()
    }
}

fn claims(subject: &str, from_now: i64, roles: &[&str]) -> Value {
    #[expect(clippy::disallowed_methods, reason = "tokens are about the wall clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    json!({ "iss": "https://login.shop", "aud": "till", "sub": subject, "exp": now + from_now, "roles": roles })
}

#[tokio::test]
async fn an_issuer_s_word_leads_to_a_role_and_its_keys_change_while_calls_go_on() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let jwt = Jwt::new("https://login.shop", "till", old.keys()).roles(["roles"]);
    let rules = Rules::new().allow("Hand.echo", ["role:clerk", "jwt:ada"]).unwrap();
    let (authorize, authenticate) = (Authorize::new(rules), Authenticate::by(jwt.clone()));
    let server = Server::builder()
        .service(Hand::default())
        .layer(move |inner| authorize.around(inner))
        .layer(move |inner| authenticate.around(inner))
        .bind("mem://signed-tokens")
        .await
        .unwrap();
    tokio::spawn(server.serve());
    let channel = Channel::connect("mem://signed-tokens").await.unwrap();
    let call = async |token: Token| -> Result<(), RpcError> {
        let options = CallOptions::new().token(&token);
        channel.call(request("Hand.echo", "x").with_options(&options)).await.map(drop)
    };
    let refused = async |token: Token, code: Code, why: &str| {
        let error = call(token.clone()).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (code, Delivery::Refused), "{error}");
        assert!(error.message().contains(why) && !error.message().contains(token.reveal()), "{error}");
    };
    call(old.token(&claims("ada", 60, &[]))).await.unwrap();
    call(old.token(&claims("eve", 60, &["clerk"]))).await.unwrap();
    let eve = old.token(&claims("eve", 60, &["cook"]));
    refused(eve, Code::PERMISSION_DENIED, "jwt:eve may not call `Hand.echo`").await;
    let expired = old.token(&claims("ada", -60, &[]));
    refused(expired, Code::UNAUTHENTICATED, "the token has expired (`exp`)").await;
    let unknown = new.token(&claims("ada", 60, &[]));
    refused(unknown.clone(), Code::UNAUTHENTICATED, "is not known here (`kid`)").await;
    let posing = Issuer { id: "old", key: KeyPair::generate_for(&PKCS_ED25519).unwrap() };
    refused(posing.token(&claims("ada", 60, &[])), Code::UNAUTHENTICATED, "signature is wrong").await;

    jwt.replace_keys(old.keys().and(new.keys()).unwrap());
    call(unknown.clone()).await.unwrap();
    call(old.token(&claims("ada", 60, &[]))).await.unwrap();
    jwt.replace_keys(new.keys());
    call(unknown).await.unwrap();
    refused(old.token(&claims("ada", 60, &[])), Code::UNAUTHENTICATED, "is not known here (`kid`)").await;
}
