//! Certificates that another tool has made, with the `openssl` command line: RSA ones that are taken, and those that are
//! too weak to make with ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use traitwire::Channel;
use traitwire::tls::{CertifiedKey, ClientTls, Roots, ServerTls};

use super::super::support::call;
use super::serving::{folder, serve};

/// Runs `openssl`; false if there is none.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let run = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let Ok(output) = run else {
        assert!(std::env::var_os("TRAITWIRE_NO_SKIP").is_none(), "openssl is missing");
        return false;
    };
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

/// A certificate to make: its name, its signature's digest, and the CA that signs it.
type Leaf = (&'static str, &'static str, &'static str);

/// Makes two CAs, one of them with a key that is too short, and these certificates.
fn make(name: &str, leaves: &[Leaf]) -> Option<PathBuf> {
    let folder = folder(name);
    for (ca, bits) in [("strong", 2048), ("weak", 1024)] {
        let request = format!(
            "req -x509 -newkey rsa:{bits} -nodes -keyout {ca}.key -out {ca}.pem -days 30 -subj /CN={ca}"
        );
        if !openssl(&folder, &request) {
            return None;
        }
    }
    let extensions =
        "subjectAltName=IP:127.0.0.1,URI:spiffe://shop/billing\nextendedKeyUsage=serverAuth,clientAuth\n";
    std::fs::write(folder.join("extensions"), extensions).unwrap();
    for (leaf, digest, ca) in leaves {
        let request =
            format!("req -newkey rsa:2048 -nodes -keyout {leaf}.key -out {leaf}.csr -subj /CN={leaf}/O=shop");
        openssl(&folder, &request);
        let by = format!("-CA {ca}.pem -CAkey {ca}.key -CAcreateserial");
        let sign =
            format!("x509 -req -in {leaf}.csr {by} -days 7 -{digest} -extfile extensions -out {leaf}.pem");
        openssl(&folder, &sign);
    }
    Some(folder)
}

fn roots(folder: &Path) -> Roots {
    Roots::file(folder.join("strong.pem")).and(Roots::file(folder.join("weak.pem")))
}

fn own(folder: &Path, leaf: &str) -> CertifiedKey {
    CertifiedKey::files(folder.join(format!("{leaf}.pem")), folder.join(format!("{leaf}.key")))
}

#[tokio::test]
async fn certificates_of_rsa_are_taken_and_their_names_are_read() {
    let Some(folder) =
        make("openssl-good", &[("server", "sha256", "strong"), ("billing", "sha384", "strong")])
    else {
        return println!("skipped: openssl is missing");
    };
    let roots = roots(&folder);
    let (uri, _) = serve(ServerTls::new(own(&folder, "server")).require_clients(roots.clone())).await;
    let client = ClientTls::new().roots(roots).certificate(own(&folder, "billing"));
    let channel = Channel::builder().tls(client).connect(&uri).await.unwrap();
    let who = call(&channel, "Hand.context", "").await.unwrap();
    assert_eq!(String::from_utf8(who).unwrap(), "spiffe://shop/billing (CN=billing, O=shop)");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn weak_keys_and_weak_signatures_are_refused_on_both_sides() {
    let leaves = [("good", "sha256", "strong"), ("sha1", "sha1", "strong"), ("short", "sha256", "weak")];
    let Some(folder) = make("openssl-weak", &leaves) else {
        return println!("skipped: openssl is missing");
    };
    let roots = roots(&folder);
    for (weak, why) in [("sha1", "it is signed in a way"), ("short", "a signature is wrong")] {
        let (uri, mut failed) =
            serve(ServerTls::new(own(&folder, weak)).require_clients(roots.clone())).await;
        let client = ClientTls::new().roots(roots.clone()).certificate(own(&folder, "good"));
        let error = Channel::builder().tls(client).connect(&uri).await.unwrap_err();
        assert!(error.message().contains(why), "{error}");
        let told = failed.recv().await.unwrap();
        assert!(told.contains("the client refuses the certificate of this side"), "{told}");

        let (uri, mut failed) =
            serve(ServerTls::new(own(&folder, "good")).require_clients(roots.clone())).await;
        let client = ClientTls::new().roots(roots.clone()).certificate(own(&folder, weak));
        let error = Channel::builder().tls(client).connect(&uri).await.unwrap_err();
        assert!(error.message().contains("the server refuses the certificate of this side"), "{error}");
        let told = failed.recv().await.unwrap();
        assert!(told.contains(why), "{told}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
