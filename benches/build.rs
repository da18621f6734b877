//! Compiles Cap'n Proto's schema, for whoever asks for the feature `capnp` and has its compiler. Does nothing for others.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(capnp)");
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "capnp")]
    compile();
}

/// Without the compiler the comparison is built without the system, and says so.
#[cfg(feature = "capnp")]
fn compile() {
    const SCHEMA: &str = "peers/systems/bench.capnp";
    println!("cargo::rerun-if-changed={SCHEMA}");
    println!("cargo::rerun-if-env-changed=PATH");
    let mut compiler = capnpc::CompilerCommand::new();
    compiler.src_prefix("peers/systems").file(SCHEMA);
    match compiler.default_parent_module(["systems", "capnp"].map(str::to_owned).into()).run() {
        Ok(()) => println!("cargo::rustc-cfg=capnp"),
        Err(error) => println!("cargo::warning=capnp is skipped: {error}"),
    }
}
