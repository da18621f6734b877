//! Tokens by hand: those that are taken, and each way to be refused.

use futures::FutureExt;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a-secret-of-32-bytes-or-more-k3W";
const ISSUER: &str = "https://login.shop";

/// An RSA key that openssl has made, and a token that it has signed with it: of Ada, valid until 2100.
const RSA: &str = concat!(
    "lfTYbQQJ1Yjce7gg6niuEvusKUin0QWCQ_4eISDbOdklPKgKnMWdtnzKoIP3nNbXbNsAF3C0ZEDIPNhjURXeCPBDgOvusHGfdRHD",
    "tpcEfkLeNHBmCGjR37AHGPoQaFm7erxEfGXXbk3sh2b8YzgBDwwfmvEAEba9lARIDnF7FSGY0kZOgw4wPNLQ-xnnlSw4RrZa0cgW",
    "hQNd9p6lZDz6ZVT3zTJYXXvO0v8rRjCOEYGTKJAiuJRwWqm7ay7rAxeiMj84XDFEDwn8J-QCMbM5sK9WHF09tMnKwlcATKZoCgIv",
    "ApLtJ3u1E8RfCIrBF9tNVTocrAimtn4rzpS3WdAzew",
);
const SIGNED_WITH_RSA: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLnNob3AiLCJhdWQiOlsidGlsbCIsIm90aGV",
    "yIl0sInN1YiI6ImFkYSIsImV4cCI6NDEwMjQ0NDgwMCwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImNsZXJrIl19fQ.VReARHGk",
    "VVYOM3K02uaQY3OMV8clzly_b6WB2d7wkOLShOzhf5HD1IAGfkNs8wJVahv3VwfKwbpqHp0mQpHWTDOZNTkxkX83dJSWtUyAko5D",
    "42gVdId_7EjHIuhwUw9nVyQqTKuIUFYgxCHQ9n8q2DaWgSq5xeJ0DHWGS1175pcIiWWvdBa_aR_yGXd6kR_iMiAj8UMdsVRffNcS",
    "b02BaNMm0ZNnRp-mJtaE0mkK6j6V2RmmZw8geJVEkOu9AnLQoWWFGNPbDcZwdAMvt2sgNOUDq2cmp-EjL_6VJ7AnZ_QAuqVGHqwq",
    "YfNNHYdSucYrm2Tt7r0ZrLAzZV5suYRz1A",
);
const WEAK_RSA: &str = concat!(
    "uBPduUQ4qo-lHGCcyVtG6dYo7zpNxsvwo4BDA8CHYTa1rb7AG7uJa8apHw9pGbYisif-mYDzdgY8x8r2PB06gWMPr4_YbJbccx3V",
    "HsZcZ0oaaLaWVm08-QU83D3LXATtHEuw8NRaD7VQKnNbQ-4Pss3K4hcB3NI7Y3ttzZjd5W0",
);

/// The key of RFC 8037, appendix A, as PKCS#8 and as a public one.
const ED25519: &str =
    "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const ED25519_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// In 2027.
const NOW: u64 = 1_800_000_000;

fn seconds(from_now: i64) -> i64 {
    NOW as i64 + from_now
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "till", "sub": "ada", "exp": seconds(60) })
}

/// The claims with others in place of these, or without them where there is `null`.
fn but(changes: &Value) -> Value {
    let mut claims = claims();
    for (key, value) in changes.as_object().unwrap() {
        claims[key] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(key);
        }
    }
    claims
}

/// Base64 as in URLs, by hand: what is tested is not what makes the tests.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |all, at| all << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        text.extend((0..=chunk.len()).map(|at| LETTERS[(number >> (18 - 6 * at) & 63) as usize] as char));
    }
    text
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()))
}

fn signed(header: &Value, claims: &Value, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = unsigned(header, claims);
    let signature = sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A token with these claims, signed with the secret.
fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    signed(&json!({ "alg": "HS256", "kid": "secret" }), claims, Algorithm::HS256, &key)
}

fn set() -> String {
    json!({ "keys": [
        { "kty": "RSA", "kid": "rsa", "use": "sig", "n": RSA, "e": "AQAB" },
        { "kty": "OKP", "kid": "ed", "crv": "Ed25519", "alg": "EdDSA", "x": ED25519_PUBLIC },
        { "kty": "RSA", "kid": "for encryption", "use": "enc", "n": WEAK_RSA, "e": "AQAB" },
        { "kty": "future", "kid": "of another kind" },
    ] })
    .to_string()
}

fn jwt() -> Jwt {
    let keys = JwtKeys::from_jwks(&set()).unwrap().secret("secret", SECRET).unwrap();
    Jwt::new(ISSUER, "till", keys).roles(["realm_access", "roles"])
}

fn verify(jwt: &Jwt, token: &str) -> Result<Identity, String> {
    jwt.check(token, NOW).map_err(|rejected| rejected.to_string())
}

#[track_caller]
fn refused(token: &str, expected: &str) {
    let why = verify(&jwt(), token).unwrap_err();
    assert!(why.contains(expected), "{why}");
}

#[test]
fn signed_tokens_say_who_calls_and_what_he_is() {
    let rsa = verify(&jwt(), SIGNED_WITH_RSA).unwrap();
    assert!(rsa.is("jwt:ada") && rsa.roles().eq(["clerk"]), "{rsa:?}");
    let by_the_clock = jwt().verify(SIGNED_WITH_RSA).now_or_never().unwrap();
    assert!(by_the_clock.unwrap().is("jwt:ada"), "valid until 2100");
    let der: Vec<u8> = (0..ED25519.len() / 2)
        .map(|at| u8::from_str_radix(&ED25519[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let header = json!({ "alg": "EdDSA", "kid": "ed" });
    let ed = signed(&header, &claims(), Algorithm::EdDSA, &EncodingKey::from_ed_der(&der));
    assert!(verify(&jwt(), &ed).unwrap().is("jwt:ada"));
    let secret = verify(&jwt(), &token(&claims())).unwrap();
    assert!(secret.is("jwt:ada") && secret.roles().next().is_none());

    let named =
        verify(&jwt().named("user:").roles(["scope"]), &token(&but(&json!({ "scope": "clerk  ops" }))));
    let named = named.unwrap();
    assert!(named.is("user:ada") && named.roles().eq(["clerk", "ops"]), "{named:?}");
    // A subject is a name behind a prefix, whatever it looks like.
    let odd = verify(&jwt().named(""), &token(&but(&json!({ "sub": "spiffe://shop/billing" })))).unwrap();
    assert!(odd.is("jwt:spiffe://shop/billing") && !odd.is("spiffe://shop/billing"));
    for roles in [json!(7), json!({ "roles": { "clerk": true } }), json!({ "roles": [7, null] })] {
        let odd = verify(&jwt(), &token(&but(&json!({ "realm_access": roles })))).unwrap();
        assert_eq!(odd.roles().count(), 0);
    }
}

#[test]
fn claims_must_be_for_this_service_and_this_time() {
    let leeway = 30;
    for (changes, expected) in [
        (json!({ "exp": seconds(-leeway - 5) }), "has expired"),
        (json!({ "exp": null }), "has no `exp`"),
        (json!({ "exp": seconds(-leeway) }), "has expired"),
        (json!({ "exp": "tomorrow" }), "`exp` is no number"),
        (json!({ "exp": -1 }), "has expired"),
        (json!({ "nbf": seconds(leeway + 5) }), "is not valid yet"),
        (json!({ "nbf": "now" }), "`nbf` is no number"),
        (json!({ "aud": "other" }), "is for somebody else"),
        (json!({ "aud": ["other", "tills"] }), "is for somebody else"),
        (json!({ "aud": [] }), "is for somebody else"),
        (json!({ "aud": null }), "is for somebody else"),
        (json!({ "iss": "https://login.evil" }), "is of another issuer"),
        (json!({ "iss": [ISSUER, "https://login.evil"] }), "is of another issuer"),
        (json!({ "iss": null }), "is of another issuer"),
        (json!({ "sub": null }), "`sub` is no text"),
        (json!({ "sub": 7 }), "`sub` is no text"),
        (json!({ "sub": "" }), "`sub` is no text"),
    ] {
        refused(&token(&but(&changes)), expected);
    }
    for changes in [
        json!({ "exp": seconds(1 - leeway) }),
        json!({ "exp": NOW as f64 + 0.5 }),
        json!({ "nbf": seconds(leeway) }),
        json!({ "aud": ["other", "till"] }),
    ] {
        verify(&jwt(), &token(&but(&changes))).unwrap();
    }
    let strict = jwt().leeway(Duration::ZERO);
    assert!(verify(&strict, &token(&but(&json!({ "exp": seconds(0) })))).is_err());
    let lax = jwt().leeway(Duration::MAX);
    assert!(verify(&lax, &token(&but(&json!({ "exp": seconds(-299) })))).is_ok());
    assert!(verify(&lax, &token(&but(&json!({ "exp": seconds(-300) })))).is_err());
}

#[test]
fn an_algorithm_is_its_key_s_and_nobody_else_s() {
    for alg in ["none", "None", "NONE", ""] {
        for kid in [json!("secret"), json!("rsa"), Value::Null] {
            let bare = unsigned(&json!({ "alg": alg, "kid": kid }), &claims());
            refused(&format!("{bare}."), "is signed with an algorithm that is known");
        }
    }
    // What everybody knows of the RSA key, taken for a secret.
    for public in [RSA.as_bytes(), set().as_bytes(), ED25519_PUBLIC.as_bytes()] {
        for kid in ["rsa", "ed"] {
            let key = EncodingKey::from_secret(public);
            let confused = signed(&json!({ "alg": "HS256", "kid": kid }), &claims(), Algorithm::HS256, &key);
            refused(&confused, "algorithm is not that of its key");
        }
    }
    let [_, rest] = *SIGNED_WITH_RSA.splitn(2, '.').collect::<Vec<_>>() else { panic!() };
    for (alg, kid, expected) in [
        ("RS256", "secret", "algorithm is not that of its key"),
        ("RS384", "rsa", "algorithm is not that of its key"),
        ("PS256", "rsa", "algorithm is not that of its key"),
        ("RS256", "ed", "algorithm is not that of its key"),
        ("RS256", "other", "is not known here (`kid`)"),
        ("RS256", "for encryption", "is not known here (`kid`)"),
    ] {
        let header = json!({ "alg": alg, "kid": kid }).to_string();
        refused(&format!("{}.{rest}", base64(header.as_bytes())), expected);
    }
    let header = json!({ "alg": "HS256", "kid": "secret", "crit": ["exp"] });
    let key = EncodingKey::from_secret(SECRET);
    refused(&signed(&header, &claims(), Algorithm::HS256, &key), "wants something understood");
    // A key that the token brings itself.
    let own = [7; 32];
    let header = json!({ "alg": "HS256", "kid": "secret", "jwk": { "kty": "oct", "k": base64(&own) } });
    refused(
        &signed(&header, &claims(), Algorithm::HS256, &EncodingKey::from_secret(&own)),
        "signature is wrong",
    );
}

#[test]
fn what_is_changed_on_the_way_is_refused_and_never_shown() {
    let good = token(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let other = token(&but(&json!({ "sub": "root" })));
    let other: Vec<_> = other.split('.').collect();
    for changed in [
        format!("{}.{}.{}", parts[0], other[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], other[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", SIGNED_WITH_RSA.rsplit_once('.').unwrap().0, "A".repeat(342)),
    ] {
        refused(&changed, "signature is wrong");
    }
    for broken in
        ["", ".", "..", "...", "a.b.c", "k3WTpUQ0", &good[..20], &format!("{good}.x"), &format!("{good}=")]
    {
        let why = verify(&jwt(), broken).unwrap_err();
        assert!(broken.len() < 4 || !why.contains(broken), "{why}");
    }
}

#[test]
fn keys_are_found_by_their_ids_and_replaced_while_others_use_them() {
    let old = JwtKeys::new().secret("1", [1; 32]).unwrap();
    let new = JwtKeys::new().secret("2", [2; 32]).unwrap();
    let by = |kid: Value, secret: u8| {
        let header = json!({ "alg": "HS256", "kid": kid });
        signed(&header, &claims(), Algorithm::HS256, &EncodingKey::from_secret(&[secret; 32]))
    };
    let jwt = Jwt::new(ISSUER, "till", old.clone());
    let clone = jwt.clone();
    let takes = |kid: Value, secret| verify(&clone, &by(kid, secret)).is_ok();
    assert!(takes(json!("1"), 1) && takes(Value::Null, 1) && !takes(json!("2"), 2) && !takes(json!("1"), 2));
    jwt.replace_keys(old.and(new.clone()).unwrap());
    assert!(takes(json!("1"), 1) && takes(json!("2"), 2) && !takes(json!("2"), 1));
    assert!(!takes(Value::Null, 1), "one of two has to be named");
    jwt.replace_keys(new);
    assert!(!takes(json!("1"), 1) && takes(json!("2"), 2));
    jwt.replace_keys(JwtKeys::new());
    assert!(!takes(json!("2"), 2) && !takes(Value::Null, 2));
}

#[test]
fn keys_that_are_weak_or_meant_for_nobody_are_told() {
    let short = JwtKeys::new().secret("k", [7; 31]).unwrap_err().to_string();
    assert_eq!(short, "a secret of 31 bytes can be guessed: take 32 or more");
    for (keys, expected) in [
        (
            json!([{ "kty": "RSA", "kid": "w", "n": WEAK_RSA, "e": "AQAB" }]),
            "the key `w`: an RSA key needs 2,048 bits",
        ),
        (
            json!([{ "kty": "oct", "kid": "s", "k": "c2VjcmV0" }]),
            "the key `s`: it is a secret, and key sets are read by",
        ),
        (
            json!([
                { "kty": "OKP", "kid": "e", "crv": "Ed25519", "x": ED25519_PUBLIC },
                { "kty": "OKP", "kid": "e", "crv": "Ed25519", "x": ED25519_PUBLIC },
            ]),
            "there are two keys of the id `e`",
        ),
        (json!({}), "this is no JSON Web Key Set"),
    ] {
        let error = JwtKeys::from_jwks(&json!({ "keys": keys }).to_string()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let shown = format!("{:?}", jwt());
    assert!(shown.contains("\"secret\": HS256") && shown.contains("\"rsa\": RS256"), "{shown}");
    assert!(!shown.contains("k3W") && !shown.contains(&RSA[..20]), "{shown}");
}
