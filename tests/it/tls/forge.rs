//! Owns [`World`]: certificates made with rcgen, good ones and those of `bad_certificates`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use traitwire::tls::CertifiedKey;

use super::bad_certificates::{Bad, Role, Shown, Workshop};

/// The CA that both sides believe, and one that they do not.
pub(super) struct World {
    pub(super) ca: Authority,
    pub(super) other: Authority,
}

pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl World {
    pub(super) fn new() -> Self {
        Self { ca: Authority::root("root"), other: Authority::root("other root") }
    }

    pub(super) fn self_signed(role: Role) -> Shown {
        let key = KeyPair::generate().unwrap();
        Shown(good(role).self_signed(&key).unwrap().pem(), key.serialize_pem())
    }
}

impl Workshop for World {
    fn believed(&self) -> String {
        self.ca.pem.clone()
    }

    fn good(&self, role: Role) -> Shown {
        self.ca.sign(role, |_| {})
    }

    fn bad(&self, bad: &Bad, role: Role) -> Option<Shown> {
        bad.rcgen.map(|make| make(self, role))
    }
}

impl Authority {
    fn root(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// One that `self` vouches for.
    pub(super) fn intermediate(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (authority("intermediate"), KeyPair::generate().unwrap());
        change(&mut params);
        Self { pem: params.signed_by(&key, &self.issuer).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    pub(super) fn sign(&self, role: Role, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let (mut params, key) = (good(role), KeyPair::generate().unwrap());
        change(&mut params);
        Shown(params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

impl Shown {
    /// Behind it, the certificate of who signed it.
    pub(super) fn with(mut self, authority: &str) -> Self {
        self.0.push_str(authority);
        self
    }

    /// With the last bit of its signature flipped.
    pub(super) fn with_a_flipped_bit(self) -> Self {
        let base64: String = self.0.lines().filter(|line| !line.starts_with('-')).collect();
        let mut der = STANDARD.decode(base64).unwrap();
        *der.last_mut().unwrap() ^= 1;
        let text = STANDARD.encode(der);
        Self(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"), self.1)
    }

    pub(super) fn key(&self) -> CertifiedKey {
        CertifiedKey::pem(&self.0, &self.1)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn good(role: Role) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(role.name());
    params.subject_alt_names = names(role.name());
    params.extended_key_usages = vec![usage(role)];
    params
}

pub(super) fn usage(role: Role) -> ExtendedKeyUsagePurpose {
    match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

pub(super) fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// One name, of the kind that it looks like.
pub(super) fn names(name: &str) -> Vec<SanType> {
    vec![match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if name.contains(':') => SanType::URI(name.try_into().unwrap()),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }]
}
