//! Certificates that are revoked before their time: lists of theirs CAs, replaced while a server serves.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use traitwire::tls::{CertifiedKey, ClientTls, Reloaded, RevocationLists, Roots, ServerTls, TlsError};
use traitwire::{Channel, RpcError, Server};

use super::super::support::call;
use super::serving::{folder, serve};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, number: u64) -> CertifiedKey {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.serial_number = Some(SerialNumber::from(number));
        let uri = format!("spiffe://shop/{number}").try_into().unwrap();
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into()), SanType::URI(uri)];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        CertifiedKey::pem(certificate.pem(), key.serialize_pem())
    }

    /// A list of these, the next of which is due in that year.
    fn list(&self, revoked: &[u64], next: i32) -> rcgen::CertificateRevocationList {
        let entry = |number: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*number),
            revocation_time: date_time_ymd(2024, 2, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(next, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap()
    }

    fn roots(&self) -> Roots {
        Roots::pem(&self.pem)
    }
}

async fn connect(uri: &str, ca: &Authority, own: &CertifiedKey) -> Result<String, RpcError> {
    let tls = ClientTls::new().roots(ca.roots()).certificate(own.clone());
    let channel = Channel::builder().tls(tls).connect(uri).await?;
    call(&channel, "Hand.context", "").await.map(|who| String::from_utf8(who).unwrap())
}

const LATER: i32 = 2_100;

#[tokio::test]
async fn what_a_list_revokes_is_refused_with_its_reason_and_lists_change_while_a_server_serves() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let file = folder("revocation").join("ca.crl");
    let put = |list: &[u8]| std::fs::write(&file, list).unwrap();
    put(ca.list(&[9], LATER).pem().unwrap().as_bytes());
    let lists = RevocationLists::file(&file).and(RevocationLists::bytes(other.list(&[3], LATER).der()));
    let server = ServerTls::new(ca.issue(1)).require_clients(ca.roots()).revocation_lists(lists);
    let (uri, mut failed) = serve(server.clone()).await;
    let [three, nine] = [3, 9].map(|number| ca.issue(number));
    assert!(
        connect(&uri, &ca, &three).await.unwrap().starts_with("spiffe://shop/3 "),
        "another CA's 3 is revoked"
    );
    let error = connect(&uri, &ca, &nine).await.unwrap_err();
    assert!(error.message().contains("refuses the certificate of this side: it is revoked"), "{error}");
    let told = failed.recv().await.unwrap();
    assert!(told.contains("the client's certificate is refused: it is revoked"), "{told}");

    put(ca.list(&[3, 9], LATER).der());
    assert_eq!(server.reload().await.unwrap(), Reloaded::Changed);
    connect(&uri, &ca, &three).await.unwrap_err();
    assert!(failed.recv().await.unwrap().contains("it is revoked"));

    for (bad, expected) in [
        (&b""[..], "has no revocation list in PEM or DER"),
        (b"-----BEGIN X509 CRL-----\nMIIB", "is no well-formed PEM"),
        (b"0\x82garbage", "the revocation lists cannot be used"),
    ] {
        put(bad);
        let error = server.reload().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    connect(&uri, &ca, &three).await.unwrap_err();
    assert!(failed.recv().await.unwrap().contains("it is revoked"), "the old list stays");
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(server.reload().await, Err(TlsError::Read { .. })));
}

#[tokio::test]
async fn a_certificate_of_whose_ca_there_is_no_list_that_counts_is_refused() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let own = ca.issue(3);
    for (lists, expected) in [
        (other.list(&[], LATER), "of its CA, or of one in its chain, there is no revocation list here"),
        (
            ca.list(&[], 2_025),
            "the revocation list of its CA is out of date: the next one was due 2025-01-01 00:00:00 UTC",
        ),
    ] {
        let tls = ServerTls::new(ca.issue(1)).require_clients(ca.roots());
        let (uri, _) = serve(tls.clone()).await;
        connect(&uri, &ca, &own).await.unwrap();
        let (uri, mut failed) = serve(tls.revocation_lists(RevocationLists::bytes(lists.der()))).await;
        connect(&uri, &ca, &own).await.unwrap_err();
        let told = failed.recv().await.unwrap();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_client_looks_at_lists_too_whatever_names_it_takes() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (uri, _) = serve(ServerTls::new(ca.issue(7))).await;
    let connect = async |tls: ClientTls| Channel::builder().tls(tls).connect(&uri).await.map(drop);
    let lists = |list: rcgen::CertificateRevocationList| RevocationLists::bytes(list.der());
    let plain = ClientTls::new().roots(ca.roots());
    let named = plain.clone().only_servers(["spiffe://shop/7"]);
    // The name of the host is not asked for beside `only_servers`, and does not hide what the lists say.
    let elsewhere = named.clone().server_name("shop.example");
    for tls in [plain, named, elsewhere] {
        connect(tls.clone().revocation_lists(lists(ca.list(&[9], LATER)))).await.unwrap();
        for (list, expected) in [
            (ca.list(&[7], LATER), "the server's certificate is refused: it is revoked"),
            (other.list(&[], LATER), "there is no revocation list here"),
            (ca.list(&[], 2_025), "the revocation list of its CA is out of date"),
        ] {
            let error = connect(tls.clone().revocation_lists(lists(list))).await.unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
    let two = lists(ca.list(&[7], LATER)).and(lists(ca.list(&[9], LATER)));
    let error = connect(ClientTls::new().roots(ca.roots()).revocation_lists(two)).await.unwrap_err();
    assert!(error.message().contains("there are two of one CA"), "{error}");
}

#[tokio::test]
async fn lists_of_a_client_are_read_again_and_stand_beside_its_own_certificate() {
    let ca = Authority::new("ca");
    let file = folder("revocation-client").join("ca.crl");
    std::fs::write(&file, ca.list(&[], LATER).pem().unwrap()).unwrap();
    let (uri, _) = serve(ServerTls::new(ca.issue(7)).require_clients(ca.roots())).await;
    let tls = ClientTls::new().roots(ca.roots()).certificate(ca.issue(3));
    let tls = tls.revocation_lists(RevocationLists::file(&file));
    let connect = async || Channel::builder().tls(tls.clone()).connect(&uri).await;
    let channel = connect().await.unwrap();
    assert!(call(&channel, "Hand.context", "").await.unwrap().starts_with(b"spiffe://shop/3 "));
    std::fs::write(&file, ca.list(&[7], LATER).pem().unwrap()).unwrap();
    assert_eq!(tls.reload().await.unwrap(), Reloaded::Changed);
    let error = connect().await.err().unwrap();
    assert!(error.message().contains("it is revoked"), "{error}");
}

/// How binding a server with these settings fails.
async fn unbound(tls: ServerTls) -> String {
    Server::builder().tls(tls).bind("tls://127.0.0.1:0").await.err().unwrap().to_string()
}

#[tokio::test]
async fn of_one_ca_there_is_one_list() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let bytes = |list: rcgen::CertificateRevocationList| RevocationLists::bytes(list.der());
    let tls = |lists| ServerTls::new(ca.issue(1)).require_clients(ca.roots()).revocation_lists(lists);
    // Only one of them would count, and 9 or 3 would get in.
    let error = unbound(tls(bytes(ca.list(&[3], LATER)).and(bytes(ca.list(&[9], LATER))))).await;
    assert!(error.contains("there are two of one CA (\"CN=ca\")"), "{error}");
    let (uri, _) = serve(tls(bytes(ca.list(&[9], LATER)).and(bytes(other.list(&[], LATER))))).await;
    connect(&uri, &ca, &ca.issue(3)).await.unwrap();
}

#[tokio::test]
async fn who_chooses_among_clients_and_asks_none_gets_no_server() {
    let ca = Authority::new("ca");
    let tls = ServerTls::new(ca.issue(1));
    let lists = RevocationLists::bytes(ca.list(&[], LATER).der());
    for (tls, name) in [
        (tls.clone().only_clients(["spiffe://shop/3"]), "only_clients"),
        (tls.clone().revocation_lists(lists.clone()), "revocation_lists"),
    ] {
        let error = unbound(tls).await;
        assert!(error.contains(&format!("`{name}` chooses among clients")), "{error}");
        assert!(error.contains("add `require_clients` or `ask_clients`"), "{error}");
    }
    serve(tls.ask_clients(ca.roots()).only_clients(["spiffe://shop/3"]).revocation_lists(lists)).await;
}
