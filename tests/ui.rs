//! What the compiler says of wrong programs, and that unusual ones compile. The texts are those of one compiler, because
//! they drift with each release.

use std::process::Command;

/// The compiler whose messages are kept.
const PINNED: &str = "rustc 1.95.";

#[test]
fn ui() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().expect("a compiler built this test");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(PINNED) {
        assert!(
            std::env::var_os("TRAITWIRE_NO_SKIP").is_none(),
            "the texts are those of {PINNED}*, not {version}"
        );
        println!("skipped: the texts are those of {PINNED}*, not {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*/*.rs");
}
