//! `traitwire-certs FOLDER NAME HOST|ADDRESS|URI...`: a certificate for development, in one line.
//!
//! Writes `NAME.pem` and `NAME.key` to the folder, signed by the CA there, `ca.pem`, which is made if there is none. For
//! clients and servers alike. Not for anything that others rely on.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks on its standard streams"
)]

use std::process::ExitCode;

use traitwire::tls::{TlsError, dev};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, name, names @ ..] = arguments.as_slice() else { return usage() };
    if names.is_empty() || name.contains(['/', '\\']) || name == "ca" {
        return usage();
    }
    match issue(folder, name, names) {
        Ok(()) => {
            println!("{folder}/{name}.pem and {folder}/{name}.key are for {}", names.join(", "));
            println!("whoever is to believe them believes {folder}/ca.pem");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("traitwire-certs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn issue(folder: &str, name: &str, names: &[String]) -> Result<(), TlsError> {
    dev::Ca::open(folder)?.issue_to(folder, name, names).map(drop)
}

fn usage() -> ExitCode {
    eprintln!("usage: traitwire-certs FOLDER NAME HOST|ADDRESS|URI...");
    eprintln!("       traitwire-certs certs server localhost 127.0.0.1");
    eprintln!("       traitwire-certs certs billing spiffe://dev/billing");
    ExitCode::from(2)
}
