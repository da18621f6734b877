//! Looks at what needs two items of a service: names that meet on the wire, arguments behind one that may be absent.
//! What one item tells is `parse`'s to look at.

use crate::diagnostics::{Mistake, Report};
use crate::model::{Method, Service};
use crate::types;

/// The longest `"Service.method"` that the protocol carries, in bytes.
const LONGEST_NAME: usize = 256;

/// Notes what does not go together.
pub(crate) fn service(service: &Service, report: &mut Report) {
    for (at, method) in service.methods.iter().enumerate() {
        check_name(service, &service.methods[..at], method, report);
        check_arguments(method, report);
    }
}

fn check_name(service: &Service, earlier: &[Method], method: &Method, report: &mut Report) {
    let Method { ident, name, cfg, .. } = method;
    // Methods with conditions may stand for each other; the compiler sees those that meet.
    let meets = |other: &&Method| other.name == *name && cfg.is_empty() && other.cfg.is_empty();
    if let Some(other) = earlier.iter().find(meets).map(|other| other.ident.to_string()) {
        report.add(ident, &Mistake::DuplicateName { name, other: &other });
    }
    let len = service.name.len() + 1 + name.len();
    if len > LONGEST_NAME {
        report.add(ident, &Mistake::NameTooLong { len: &len.to_string(), most: &LONGEST_NAME.to_string() });
    }
}

fn check_arguments(method: &Method, report: &mut Report) {
    let Some(first) = method.arguments.iter().position(|argument| argument.is_optional) else { return };
    let earlier = method.arguments[first].ident.to_string();
    for argument in &method.arguments[first..] {
        if !argument.is_optional && types::is_required(&argument.ty) {
            report.add(&argument.ident, &Mistake::RequiredBehindDefault { earlier: &earlier });
        }
    }
}
