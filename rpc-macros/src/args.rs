//! Owns the options of a service, of a method and of an argument: what each option may say. Does not own their grammar
//! (`setting`), and does not know the items that they stand on.

use proc_macro2::{Ident, TokenStream};
use syn::Attribute;

use crate::allow;
use crate::attempts;
use crate::diagnostics::{Mistake, Report};
use crate::model::{MethodOptions, ServiceOptions};
use crate::setting::{ON_ARGUMENT, ON_METHOD, ON_SERVICE, Place, is_rpc};

/// The options of a service, as they stand between the parentheses.
pub(crate) fn of_service(options: TokenStream, report: &mut Report) -> ServiceOptions {
    let mut found = ServiceOptions::default();
    let place = Place::new("of a service", ON_SERVICE);
    for setting in place.list(options, report) {
        match setting.key.to_string().as_str() {
            "name" => found.name = setting.name(true, report),
            "crate" => found.krate = setting.path(report),
            _ => {}
        }
    }
    found
}

/// Takes the `#[rpc(…)]` of a method out and reads them.
pub(crate) fn of_method(attributes: &mut Vec<Attribute>, report: &mut Report) -> MethodOptions {
    let mut found = MethodOptions::default();
    let place = Place::new("of a method", ON_METHOD);
    for setting in place.take(attributes, report) {
        match setting.key.to_string().as_str() {
            "name" => found.name = setting.name(false, report),
            "timeout" => found.timeout_micros = setting.duration("\"250ms\"", report),
            "idle_timeout" => found.idle_timeout = setting.stream_time("\"60s\"", report),
            "total_timeout" => found.total_timeout = setting.stream_time("\"10m\"", report),
            "elements" => found.elements = setting.number(report),
            "idempotent" => found.idempotent = setting.flag(report),
            "dedup" => found.dedup = attempts::dedup(&setting, report),
            "oneway" => found.oneway = setting.flag(report),
            "blocking" => found.blocking = setting.flag(report),
            "retry" => found.retry = attempts::retry(setting, report),
            "retry_on" => found.retry_on = attempts::retry_on(setting, report),
            "hedge" => found.hedge = attempts::hedge(setting, report),
            "allow" => found.allow = allow::roles(&setting, report),
            "cache" => found.cache = attempts::cache(setting, report),
            _ => {}
        }
    }
    attempts::check_promises(&found, report);
    if let (Some(timeout), Some(total)) = (found.timeout_micros, &found.total_timeout)
        && total.micros < timeout
    {
        report.add(&total.key, &Mistake::TotalTimeoutShort);
    }
    found
}

/// What `#[rpc(…)]` says of an argument: the words, where they are said.
#[derive(Default)]
pub(crate) struct ArgumentOptions {
    pub(crate) default: Option<Ident>,
    pub(crate) key: Option<Ident>,
}

/// Takes the `#[rpc(…)]` of an argument out.
pub(crate) fn of_argument(attributes: &mut Vec<Attribute>, report: &mut Report) -> ArgumentOptions {
    let place = Place::new("of an argument", ON_ARGUMENT);
    let mut found = ArgumentOptions::default();
    for setting in place.take(attributes, report) {
        setting.flag(report);
        let word = if setting.key == "key" { &mut found.key } else { &mut found.default };
        *word = Some(setting.key);
    }
    found
}

/// Takes every `#[rpc(…)]` out of where none belongs.
pub(crate) fn nowhere(attributes: &mut Vec<Attribute>, mistake: &Mistake<'_>, report: &mut Report) {
    attributes
        .extract_if(.., |attribute| is_rpc(attribute))
        .for_each(|attribute| report.add(attribute, mistake));
}
