//! Owns [`RevocationLists`]: which certificates count no more, by the word of those who issued them. Does not look at
//! certificates: webpki does.

use std::path::Path;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use webpki::{BorrowedCertRevocationList, CertRevocationList};

use crate::transport::tls::source::Source;
use crate::transport::tls::{TlsError, names};

/// Certificates that have been revoked before their time: lists (CRLs, RFC 5280) that their CAs have signed.
///
/// Each is PEM, which may hold several, or one in DER, and has at most 1 MiB. Every CA in a chain needs a list, the root too
/// if it has issued what is shown: a certificate of whose CA there is none is refused, because nobody would notice that a file
/// was forgotten. So is one whose CA's list is out of date, since whoever can keep a new list from coming could undo a
/// revocation. Publish lists well before the old ones end.
///
/// Of one CA there is one list, or one for each of its distribution points. Two that are for the same certificates are refused, since
/// only one of them would count: replace the old list, and do not put the new one beside it.
///
/// ```no_run
/// use traitwire::tls::{CertifiedKey, RevocationLists, Roots, ServerTls};
/// let tls = ServerTls::new(CertifiedKey::files("certs/server.pem", "certs/server.key"))
///     .require_clients(Roots::file("certs/ca.pem"))
///     .revocation_lists(RevocationLists::file("certs/ca.crl"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationLists {
    sources: Vec<Source>,
}

impl RevocationLists {
    /// The lists in this file; it is read again [when it changes](crate::tls).
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { sources: vec![Source::file(path)] }
    }

    /// The lists in these bytes.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self { sources: vec![Source::bytes(bytes)] }
    }

    /// These and others: those of another CA.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sources.extend(other.sources);
        self
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The lists in what was read of the [sources](Self::sources).
    pub(super) fn parse<'a>(
        &self,
        contents: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let mut lists: Vec<CertificateRevocationListDer<'static>> = Vec::new();
        for (source, bytes) in self.sources.iter().zip(contents) {
            let what = || source.name("revocation list");
            // DER begins with a sequence, PEM with text.
            if bytes.first() == Some(&0x30) {
                lists.push(bytes.to_vec().into());
                continue;
            }
            let before = lists.len();
            for list in CertificateRevocationListDer::pem_slice_iter(bytes) {
                lists.push(list.map_err(|error| TlsError::Pem { what: what(), fault: error.to_string() })?);
            }
            if lists.len() == before {
                return Err(TlsError::Nothing { what: what(), wanted: "revocation list in PEM or DER" });
            }
        }
        check_one_each(&lists)?;
        Ok(lists)
    }
}

/// Of two lists for the same certificates webpki looks at the first one only, and what the other one revokes would be taken.
fn check_one_each(lists: &[CertificateRevocationListDer<'_>]) -> Result<(), TlsError> {
    // One that cannot be read is told of where lists are put to use, with its fault.
    let read = lists.iter().filter_map(|list| BorrowedCertRevocationList::from_der(list).ok());
    let read: Vec<_> = read.map(CertRevocationList::from).collect();
    let is_same = |one: &CertRevocationList<'_>, other: &CertRevocationList<'_>| {
        let points = (one.issuing_distribution_point(), other.issuing_distribution_point());
        // Without a distribution point a list is for all that its CA has issued.
        let overlap = match points {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        one.issuer() == other.issuer() && overlap
    };
    for (at, one) in read.iter().enumerate() {
        if read[..at].iter().any(|other| is_same(one, other)) {
            let issuer = names::subject(one.issuer());
            let fault = format!(
                "there are two of one CA ({issuer:?}) for the same certificates, and only the first would count: \
                 keep the newest one"
            );
            return Err(TlsError::unusable("the revocation lists", &fault));
        }
    }
    Ok(())
}
