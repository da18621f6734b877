//! `tls://`: who is taken and who is refused, what both sides say of it, and how certificates change while calls go on.

mod bad_certificates;
mod basics;
mod forge;
mod hostile;
mod liars;
mod openssl;
mod resumption;
mod revocation;
mod rotation;
mod serving;
mod truncation;
mod versions;
