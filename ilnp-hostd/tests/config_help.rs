//! What the programs say of themselves, kept as snapshots: a change is seen in review.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::process::Command;

fn help(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg("--help")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_daemon() {
    insta::assert_snapshot!(help(env!("CARGO_BIN_EXE_ilnp-hostd"), &[]));
}

#[test]
fn the_command() {
    insta::assert_snapshot!(help(env!("CARGO_BIN_EXE_ilnp"), &[]));
}

#[test]
fn the_verbs_with_options() {
    for verb in ["move", "ping", "replay"] {
        insta::assert_snapshot!(verb, help(env!("CARGO_BIN_EXE_ilnp"), &[verb]));
    }
}
