//! Owns what a channel does about its calls' credentials: which token they carry, and over which links. Does not know whose
//! it is.

use crate::call::{AUTHORIZATION, Code, Delivery, Metadata, RpcError, TokenSource};

/// Gives a call the channel's token, unless it brings one.
pub(super) fn attach(source: &dyn TokenSource, method: &str, metadata: &mut Metadata) {
    if metadata.get(AUTHORIZATION).is_none()
        && let Some(token) = source.token(method)
    {
        token.attach(metadata);
    }
}

/// Keeps a call back whose credential would leave over a link that others can read: never sent, so that nobody on the way
/// has read it.
pub(super) fn check(metadata: &Metadata) -> Result<(), RpcError> {
    let Some(entry) = metadata.iter().find(|entry| entry.is_credential()) else { return Ok(()) };
    let text = format!(
        "metadata `{}` is a credential, and this link is not encrypted: connect with `tls://` (or allow it with \
         `credentials_over_plain_links`)",
        entry.key()
    );
    Err(RpcError::new(Code::UNAUTHENTICATED, Delivery::NotSent, text))
}
