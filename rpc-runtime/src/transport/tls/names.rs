//! Owns [`identity`]: the names of a certificate that has been verified. Verifies nothing.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::call::Identity;

/// Who a verified certificate says its holder is: the URIs and DNS names among its subject alternative names, and its
/// subject, for people.
pub(super) fn identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    // What stands where a URI should and is none, and so might be taken for a DNS name, is no name at all; and no
    // certificate says what is the kernel's to say, or an issuer's of tokens.
    let is_ours = |uri: &str| ["unix:", "jwt:"].iter().any(|scheme| uri.starts_with(scheme));
    let uris = certificate.valid_uri_names().filter(|uri| uri.contains(':') && !is_ours(uri));
    let names = uris.chain(certificate.valid_dns_names());
    let subject = Subject::read(certificate.subject());
    Some(Identity::new(names).with_subject(subject.text, subject.common_name))
}

/// A distinguished name for people, without its outer tag.
pub(super) fn subject(name: &[u8]) -> String {
    Subject::read(name).text
}

/// A distinguished name, as people read it.
#[derive(Debug, Default, Eq, PartialEq)]
struct Subject {
    text: String,
    common_name: Option<String>,
}

impl Subject {
    /// Reads the attributes of a `Name` (RFC 5280, section 4.1.2.4), without its outer tag. What is not known or not
    /// well formed is left out: this is for people.
    fn read(mut name: &[u8]) -> Self {
        let mut subject = Self::default();
        let mut parts = Vec::new();
        while let Some(mut set) = value(&mut name, SET) {
            while let Some(mut attribute) = value(&mut set, SEQUENCE) {
                let Some(kind) = value(&mut attribute, OBJECT_IDENTIFIER) else { continue };
                let Some(text) = TEXTS.iter().find_map(|&tag| value(&mut attribute, tag)) else { continue };
                let text = String::from_utf8_lossy(text).into_owned();
                if let Some((_, short)) = ATTRIBUTES.iter().find(|(known, _)| *known == kind) {
                    parts.push(format!("{short}={text}"));
                }
                if kind == COMMON_NAME {
                    subject.common_name = Some(text);
                }
            }
        }
        subject.text = parts.join(", ");
        subject
    }
}

const SET: u8 = 0x31;
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// The attributes that people know, by their object identifiers: 2.5.4.*n*.
const ATTRIBUTES: [(&[u8], &str); 6] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
];

/// Takes the value at the front if it has this tag, and is all there. A value here has less than 64 KiB.
fn value<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (length, rest) = match **input {
        [have, ..] if have != tag => return None,
        [_, 0x81, length, ref rest @ ..] => (usize::from(length), rest),
        [_, 0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
        [_, length, ref rest @ ..] if length < 0x80 => (usize::from(length), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CN=billing, O=shop`, and an attribute that nobody knows.
    const NAME: &[u8] = b"\x31\x10\x30\x0e\x06\x03\x55\x04\x03\x0c\x07billing\
        \x31\x0d\x30\x0b\x06\x03\x55\x04\x0a\x13\x04shop\
        \x31\x0a\x30\x08\x06\x03\x55\x04\x7f\x0c\x01x";

    #[test]
    fn a_subject_is_read_as_far_as_it_is_known() {
        let subject = Subject::read(NAME);
        assert_eq!((&*subject.text, subject.common_name.as_deref()), ("CN=billing, O=shop", Some("billing")));
    }

    #[test]
    fn bytes_that_are_no_subject_are_read_to_their_end_and_no_further() {
        for cut in 0..NAME.len() {
            let _ = Subject::read(&NAME[..cut]);
            for flip in 0..=255 {
                let mut name = NAME.to_vec();
                name[cut] = flip;
                let _ = Subject::read(&name);
            }
        }
        assert_eq!(Subject::read(b"\x31\x82\xff\xff"), Subject::default());
    }
}
