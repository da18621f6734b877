//! Owns [`Openssl`]: certificates made with the `openssl` command line, good ones and those of `bad_certificates`, among them
//! what is too weak to make with ours.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::Command;

use traitwire::Channel;
use traitwire::tls::{CertifiedKey, ClientTls, RevocationLists, Roots, ServerTls};

use super::super::support::call;
use super::bad_certificates::{Bad, Role, Shown, Wants, Workshop, all_are_refused, meet};
use super::serving::{folder, serve};

/// A folder in which `openssl ca` works, with two CAs that are believed, `root` and `weak`, and others.
pub(super) struct Openssl {
    folder: PathBuf,
    made: Cell<u32>,
}

const CONFIG: &str = "\
[ca]
default_ca = own
[own]
database = index
serial = serial
crlnumber = serial
new_certs_dir = .
default_md = sha256
default_days = 7
default_crl_days = 7
unique_subject = no
policy = policy
[policy]
commonName = supplied
organizationName = optional
[req]
distinguished_name = none
[none]
";

const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n";
const LAST: &str = "basicConstraints=critical,CA:TRUE,pathlen:0\n";
const BOUND: &str = "basicConstraints=CA:TRUE\n\
                     nameConstraints=critical,excluded;DNS:internal,excluded;IP:127.0.0.0/255.0.0.0\n";
const PAST: &str = "-startdate 20190101000000Z -enddate 20200202000000Z";

impl Openssl {
    /// `None` if there is no such program.
    fn new(name: &str) -> Option<Self> {
        let folder = folder(name);
        for (name, text) in [("config", CONFIG), ("index", ""), ("serial", "1000\n")] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let tool = Self { folder, made: Cell::new(0) };
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("TRAITWIRE_NO_SKIP").is_none(), "openssl is missing");
            return None;
        }
        tool.root("root", EC);
        Some(tool)
    }

    /// The same with everything that the table asks for.
    fn with_cas(name: &str) -> Option<Self> {
        let tool = Self::new(name)?;
        tool.root("other", EC);
        tool.root("weak", "rsa:1024");
        tool.request("leaf", "leaf", EC);
        for (name, subject, by, extensions, options) in [
            ("between", "between", "root", CA, ""),
            ("twin", "between", "root", CA, ""),
            ("past", "past", "root", CA, PAST),
            ("plain", "plain", "root", "basicConstraints=CA:FALSE\n", ""),
            ("bound", "bound", "root", BOUND, ""),
            ("first", "first", "root", LAST, ""),
            ("second", "second", "first", CA, ""),
        ] {
            tool.request(name, subject, EC);
            tool.sign(name, name, by, extensions, options);
        }
        // Newer ones make version 1 only if they are asked to.
        tool.request("old", "old", EC);
        let flag = if tool.run("req -help").contains("-x509v1") { "-x509v1 " } else { "" };
        tool.run(&format!(
            "req -config config -x509 {flag}-in old.csr -CA root.pem -CAkey root.key -out old.pem"
        ));
        Some(tool)
    }

    /// What it says.
    fn run(&self, arguments: &str) -> String {
        let words = arguments.split(' ').filter(|word| !word.is_empty());
        let output = Command::new("openssl").args(words).current_dir(&self.folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments}: {said}");
        said
    }

    /// A key, and what is asked of a CA for it.
    fn request(&self, name: &str, subject: &str, key: &str) {
        let subject = format!("-subj /CN={subject}");
        self.run(&format!(
            "req -config config -new -newkey {key} -nodes -keyout {name}.key -out {name}.csr {subject}"
        ));
    }

    fn root(&self, name: &str, key: &str) {
        self.request(name, name, key);
        self.ca(&format!("-selfsign -keyfile {name}.key -in {name}.csr -out {name}.pem"), CA);
    }

    fn sign(&self, name: &str, request: &str, by: &str, extensions: &str, options: &str) {
        let by = format!("-cert {by}.pem -keyfile {by}.key {options}");
        self.ca(&format!("{by} -in {request}.csr -out {name}.pem"), extensions);
    }

    fn ca(&self, what: &str, extensions: &str) {
        std::fs::write(self.folder.join("extensions"), extensions).unwrap();
        self.run(&format!("ca -config config -batch -notext -extfile extensions {what}"));
    }

    pub(super) fn pem(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{name}.pem"))).unwrap()
    }

    /// A leaf that is good but for what is said of it.
    pub(super) fn leaf(&self, role: Role) -> Leaf<'_> {
        let names =
            if role == Role::Server { format!("IP:{}", role.name()) } else { format!("URI:{}", role.name()) };
        Leaf { tool: self, names, used_by: role, extension: "", option: "" }
    }

    pub(super) fn revoke(&self, shown: &Shown) {
        std::fs::write(self.folder.join("revoked.pem"), &shown.0).unwrap();
        self.run("ca -config config -cert root.pem -keyfile root.key -revoke revoked.pem");
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Workshop for Openssl {
    fn believed(&self) -> String {
        self.pem("root") + &self.pem("weak")
    }

    fn good(&self, role: Role) -> Shown {
        self.leaf(role).sign("root")
    }

    fn bad(&self, bad: &Bad, role: Role) -> Option<Shown> {
        bad.openssl.map(|make| make(self, role))
    }

    fn list(&self) -> Option<RevocationLists> {
        self.run("ca -config config -cert root.pem -keyfile root.key -gencrl -out root.crl");
        Some(RevocationLists::bytes(std::fs::read(self.folder.join("root.crl")).unwrap()))
    }
}

/// A certificate to make.
pub(super) struct Leaf<'a> {
    tool: &'a Openssl,
    names: String,
    used_by: Role,
    extension: &'static str,
    option: &'static str,
}

impl Leaf<'_> {
    /// These names, as `openssl` writes them, and no others.
    pub(super) fn names(mut self, names: &str) -> Self {
        names.clone_into(&mut self.names);
        self
    }

    pub(super) fn also(mut self, name: &str) -> Self {
        self.names = format!("{},{name}", self.names);
        self
    }

    pub(super) fn used_by(mut self, role: Role) -> Self {
        self.used_by = role;
        self
    }

    pub(super) fn extension(mut self, line: &'static str) -> Self {
        self.extension = line;
        self
    }

    /// An option of `openssl ca`.
    pub(super) fn option(mut self, option: &'static str) -> Self {
        self.option = option;
        self
    }

    pub(super) fn sign(self, by: &str) -> Shown {
        self.make(&format!("-cert {by}.pem -keyfile {by}.key"))
    }

    /// Shown together with who signed it.
    pub(super) fn under(self, by: &str) -> Shown {
        let authority = self.tool.pem(by);
        self.sign(by).with(&authority)
    }

    pub(super) fn self_sign(self) -> Shown {
        self.make("-selfsign -keyfile leaf.key")
    }

    fn make(self, by: &str) -> Shown {
        let usage = if self.used_by == Role::Server { "serverAuth" } else { "clientAuth" };
        let mut extensions = format!("extendedKeyUsage={usage}\n{}\n", self.extension);
        if !self.names.is_empty() {
            extensions += &format!("subjectAltName={}\n", self.names);
        }
        let number = self.tool.made.replace(self.tool.made.get() + 1);
        let what = format!("{by} {} -in leaf.csr -out leaf-{number}.pem", self.option);
        self.tool.ca(&what, &extensions);
        let key = std::fs::read_to_string(self.tool.folder.join("leaf.key")).unwrap();
        Shown(self.tool.pem(&format!("leaf-{number}")), key)
    }
}

#[tokio::test]
async fn bad_certificates_of_openssl_are_refused_on_both_sides() {
    let Some(tool) = Openssl::with_cas("openssl-bad") else { return println!("skipped: openssl is missing") };
    for role in [Role::Server, Role::Client] {
        all_are_refused(&tool, role).await;
    }
    // Good ones of the same making are taken, those that nobody has revoked too.
    let good = |role| tool.good(role);
    let under = |role| tool.leaf(role).under("between");
    let makers: [(&dyn Fn(Role) -> Shown, _); 2] = [(&good, tool.list()), (&under, None)];
    for (make, lists) in makers {
        let shown = [make(Role::Server), make(Role::Client)];
        let wants = Wants { lists, ..Wants::default() };
        assert_eq!(meet(tool.believed(), shown, wants).await, (Ok(()), None));
    }
}

#[tokio::test]
async fn certificates_of_rsa_are_taken_and_their_names_are_read() {
    let Some(tool) = Openssl::new("openssl-rsa") else { return println!("skipped: openssl is missing") };
    tool.root("ca", "rsa:2048");
    for (name, san, digest) in
        [("server", "IP:127.0.0.1", "sha256"), ("billing", "URI:spiffe://shop/billing", "sha384")]
    {
        tool.request(name, &format!("{name}/O=shop"), "rsa:2048");
        tool.sign(name, name, "ca", &format!("subjectAltName={san}\n"), &format!("-md {digest}"));
    }
    let file = |name: &str| tool.folder.join(name);
    let own = |name: &str| CertifiedKey::files(file(&format!("{name}.pem")), file(&format!("{name}.key")));
    let roots = Roots::file(file("ca.pem"));
    let (uri, _) = serve(ServerTls::new(own("server")).require_clients(roots.clone())).await;
    let client = ClientTls::new().roots(roots).certificate(own("billing"));
    let channel = Channel::builder().tls(client).connect(&uri).await.unwrap();
    let who = call(&channel, "Hand.context", "").await.unwrap();
    assert_eq!(String::from_utf8(who).unwrap(), "spiffe://shop/billing (CN=billing, O=shop)");
}
