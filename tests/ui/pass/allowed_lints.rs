#![deny(warnings, missing_docs)]
//! What a trait allows is allowed in what is generated.

/// Odd.
#[traitwire::rpc_service]
#[allow(missing_docs, non_camel_case_types, unused_qualifications, private_interfaces)]
pub trait odd_service {
    #[allow(non_snake_case, elided_lifetimes_in_paths)]
    async fn camelCase(&self, someText: std::borrow::Cow<str>) -> std::string::String;
    #[expect(clippy::too_many_arguments, unused_qualifications)]
    async fn hidden(&self, hidden: Hidden, a: u8, b: u8, c: u8, d: u8, e: u8, f: std::string::String);
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Hidden;

fn main() {
    let _ = Hidden;
}
