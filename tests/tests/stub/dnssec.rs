//! Signed zones: the bits and the signatures pass.

use std::fs;
use std::process::Command;

use tests::name_servers::{Role, Setup, Software};

use crate::support::{APEX, RunningStub, VM1, ZONE, output};

/// Signs [`ZONE`]. Returns it and its trust anchor for `delv`.
fn signed_zone() -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        output(command.current_dir(&directory).args(arguments))
    };
    let name = run("dnssec-keygen", &["-q", "-a", "ED25519", "-f", "KSK", APEX]);
    let key = fs::read_to_string(directory.path().join(format!("{}.key", name.trim()))).unwrap();
    let record = key.lines().find(|line| !line.starts_with(';')).unwrap();
    fs::write(directory.path().join("zone"), format!("{ZONE}{record}\n")).unwrap();
    run(
        "dnssec-signzone",
        &["-z", "-o", APEX, "-f", "signed", "zone", name.trim()],
    );
    let fields: Vec<_> = record.split_whitespace().collect();
    let [flags, protocol, algorithm] = [fields[3], fields[4], fields[5]];
    let anchor = format!(
        "trust-anchors {{ \"{APEX}.\" static-key {flags} {protocol} {algorithm} \"{}\"; }};\n",
        fields[6..].concat()
    );
    (
        fs::read_to_string(directory.path().join("signed")).unwrap(),
        anchor,
    )
}

#[test]
fn a_validator_behind_the_stub_resolver_finds_everything_in_order() {
    let (zone, anchor) = signed_zone();
    let primary = Setup::new().zone(APEX, Role::primary(&zone));
    let primary = Software::Bind.start(&primary).unwrap();
    let resolver = Setup::new().zone(APEX, Role::Stub(primary.address()));
    let resolver = Software::Unbound.start(&resolver).unwrap();
    let stub = RunningStub::start(resolver.address());
    let directory = tempfile::tempdir().unwrap();
    let anchors = directory.path().join("anchors");
    fs::write(&anchors, anchor).unwrap();
    let port = stub.address.port().to_string();
    for (name, rtype) in [
        ("classic.example.org", "AAAA"),
        ("classic.example.org", "TXT"),
        ("vm1.example.org", "NID"),
        ("vm1.example.org", "L64"),
        ("vm2.example.org", "LP"),
        // A validator would not believe in a handle.
        ("vm1.example.org", "AAAA"),
        ("vm1.example.org", "A"),
    ] {
        let text = output(
            Command::new("delv")
                .args(["@127.0.0.1", "-p", &port, "+root=example.org"])
                .arg("-a")
                .arg(&anchors)
                .args([name, rtype]),
        );
        assert!(text.contains("; fully validated"), "{name} {rtype}: {text}");
    }
    // Who does not validate gets the handle.
    let answer = stub.dig(&["+short", "vm1.example.org", "AAAA"]);
    assert_eq!(answer.trim(), VM1);
}
