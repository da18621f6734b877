//! `tls://`: who is taken and who is refused, what both sides say of it, and how certificates change while calls go on.

mod basics;
