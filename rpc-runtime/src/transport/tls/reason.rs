//! Owns the words for what goes wrong between two peers: which side refused which, why, and what to do. Decides nothing.

use std::fmt;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};

/// Which side the words are for; the peer is the other one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    const fn peer(self) -> &'static str {
        match self {
            Self::Client => "server",
            Self::Server => "client",
        }
    }
}

/// An error of a handshake, in words.
pub(super) fn of_handshake(side: Side, error: io::Error) -> io::Error {
    let peer = side.peer();
    let text = match rustls(&error) {
        Some(error) => of(side, error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("the {peer} closed the connection during the handshake, and did not say why")
        }
        None => format!("during the handshake: {error}"),
    };
    io::Error::new(error.kind(), Told { text, error })
}

/// An error of a session, in words.
pub(super) fn of_session(side: Side, error: io::Error) -> io::Error {
    let text = match rustls(&error) {
        Some(error) => of(side, error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("cut off: the {} did not say that it ends (no close_notify)", side.peer())
        }
        None => return error,
    };
    io::Error::new(error.kind(), Told { text, error })
}

/// A certificate that was refused outside of a handshake.
pub(super) fn of_certificate(side: Side, error: Error) -> io::Error {
    let text = of(side, &error);
    let error = io::Error::new(io::ErrorKind::InvalidData, error);
    io::Error::new(error.kind(), Told { text, error })
}

fn rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// The words, and what they are about.
#[derive(Debug)]
struct Told {
    text: String,
    error: io::Error,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

fn of(side: Side, error: &Error) -> String {
    let peer = side.peer();
    match error {
        Error::InvalidCertificate(why) => {
            format!("the {peer}'s certificate is refused: {}", of_certificate_error(why))
        }
        Error::InvalidCertRevocationList(fault) => {
            format!("the {peer}'s certificate is refused: its CA's revocation list cannot be used: {fault:?}")
        }
        Error::NoCertificatesPresented => format!(
            "the {peer} shows no certificate, and has to: `ClientTls::certificate` on its side gives it one"
        ),
        Error::AlertReceived(alert) => of_alert(side, *alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => match side {
            Side::Client => {
                "the server does not speak TLS: connect to it with `tcp://`, or give it a certificate \
                             (`Server::builder().tls(…)`) and bind it to `tls://`"
                    .to_owned()
            }
            Side::Server => "the client does not speak TLS: it has to connect with `tls://`".to_owned(),
        },
        Error::InvalidMessage(fault) => format!("the {peer} does not speak TLS, or breaks it: {fault:?}"),
        // Clients of TLS 1.1 and before name no algorithms for signatures, and that is seen first.
        Error::PeerIncompatible(PeerIncompatible::SupportedVersionsExtensionRequired)
        | Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)
        | Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic)
        | Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
        | Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        | Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
        | Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled) => {
            format!(
                "the {peer} has no version of TLS in common with this side: `allow_tls12` adds TLS 1.2 here"
            )
        }
        Error::NoApplicationProtocol => format!("the {peer} wants another protocol (ALPN)"),
        Error::PeerIncompatible(fault) => {
            format!("the {peer} has nothing in common with this side: {fault:?}")
        }
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            format!("the {peer} breaks TLS: {error}")
        }
        Error::PeerMisbehaved(fault) => format!("the {peer} breaks TLS: {fault:?}"),
        Error::DecryptError => {
            format!("what the {peer} sent cannot be decrypted: somebody changed it on its way")
        }
        error => format!("TLS: {error}"),
    }
}

/// What the peer says that is wrong with this side. An alert is all that TLS tells of it: the peer's log knows more.
fn of_alert(side: Side, alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let peer = side.peer();
    let refused = |why: &str| {
        format!(
            "the {peer} refuses the certificate of this side: {why} (alert {alert:?}; the {peer}'s log knows more)"
        )
    };
    match alert {
        Alert::CertificateRequired => {
            format!("the {peer} asks for a certificate: give it one with `ClientTls::certificate`")
        }
        Alert::CertificateExpired => refused("it has expired, or is not valid yet"),
        Alert::UnknownCA => refused("no root that it trusts leads to it"),
        Alert::BadCertificate => refused("it is broken, or is for another name"),
        Alert::UnsupportedCertificate => refused("it is not for this use"),
        Alert::CertificateRevoked => refused("it is revoked"),
        Alert::CertificateUnknown => refused("something else is wrong with it or its chain"),
        Alert::AccessDenied => refused("it is valid, but is not among those that are taken"),
        Alert::DecryptError => {
            refused("its signature is wrong, or of a kind that is not taken, or the key is another's")
        }
        Alert::ProtocolVersion => {
            format!(
                "the {peer} takes no version of TLS that this side offers: `allow_tls12` adds TLS 1.2 here"
            )
        }
        Alert::NoApplicationProtocol => {
            format!("the {peer} does not take the protocol that this side offers (ALPN)")
        }
        Alert::HandshakeFailure => {
            format!("the {peer} finds nothing in common with this side (alert {alert:?})")
        }
        alert => format!("the {peer} ended the handshake (alert {alert:?}; the {peer}'s log knows more)"),
    }
}

fn of_certificate_error(error: &CertificateError) -> String {
    use CertificateError as Bad;
    match error {
        Bad::ExpiredContext { not_after, .. } => {
            format!("it has expired; it was valid until {}", date(*not_after))
        }
        Bad::Expired => "it has expired".to_owned(),
        Bad::NotValidYetContext { not_before, .. } => {
            format!("it is not valid before {}: is a clock wrong?", date(*not_before))
        }
        Bad::NotValidYet => "it is not valid yet: is a clock wrong?".to_owned(),
        Bad::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "it is not for `{}`: it has no subject alternative name, and the common name does not count",
            expected.to_str()
        ),
        Bad::NotValidForNameContext { expected, presented } => {
            let presented: Vec<_> =
                presented.iter().map(|name| inner(name).escape_debug().to_string()).collect();
            format!("it is not for `{}`, but for {}", expected.to_str(), presented.join(", "))
        }
        Bad::UnknownIssuer => {
            "no trusted root leads to it: it is of another CA, or an intermediate certificate is missing"
                .to_owned()
        }
        Bad::InvalidPurposeContext { .. } | Bad::InvalidPurpose => {
            format!("it is not for this use (extended key usage): {error}")
        }
        Bad::BadSignature => "a signature is wrong, its own or one of its chain".to_owned(),
        Bad::UnsupportedSignatureAlgorithmContext { .. }
        | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way, or with a kind or size of key, that is not taken".to_owned()
        }
        Bad::Revoked => "it is revoked".to_owned(),
        Bad::UnknownRevocationStatus => {
            "of its CA, or of one in its chain, there is no revocation list here".to_owned()
        }
        Bad::ExpiredRevocationListContext { next_update, .. } => {
            format!(
                "the revocation list of its CA is out of date: the next one was due {}",
                date(*next_update)
            )
        }
        Bad::BadEncoding => "it is no well-formed certificate".to_owned(),
        Bad::UnhandledCriticalExtension => "it has a critical extension that is not known here".to_owned(),
        Bad::ApplicationVerificationFailure => {
            "it is valid, but none of its names is among those that are taken".to_owned()
        }
        Bad::Other(OtherError(other)) => match other.downcast_ref() {
            Some(fault) => of_chain(fault),
            None => other.to_string(),
        },
        error => error.to_string(),
    }
}

fn of_chain(fault: &webpki::Error) -> String {
    use webpki::Error as Fault;
    match fault {
        Fault::CaUsedAsEndEntity => "it is that of a CA, and not of a peer".to_owned(),
        Fault::EndEntityUsedAsCa => "a certificate of its chain is not that of a CA".to_owned(),
        Fault::NameConstraintViolation => {
            "a CA of its chain may not vouch for its names (name constraints)".to_owned()
        }
        Fault::PathLenConstraintViolated | Fault::MaximumPathDepthExceeded => {
            "its chain is longer than it may be".to_owned()
        }
        Fault::UnsupportedCertVersion => "it is no X.509 certificate of version 3".to_owned(),
        fault => format!("{fault:?}"),
    }
}

/// The name in what webpki writes as `DnsName("orders.internal")`.
fn inner(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

/// A day and time of the Gregorian calendar, in UTC. The way from days to dates is Howard Hinnant's `civil_from_days`.
fn date(time: UnixTime) -> String {
    let (days, seconds) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), expected);
        }
    }

    #[test]
    fn only_what_is_known_to_be_an_end_is_one() {
        let error = of_session(Side::Client, io::ErrorKind::UnexpectedEof.into());
        assert!(error.to_string().contains("cut off: the server"), "{error}");
        let error = of_session(Side::Client, io::ErrorKind::ConnectionReset.into());
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
