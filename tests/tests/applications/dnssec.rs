//! Signatures pass: what validates behind the stub resolver still can.

use std::fs;
use std::path::Path;

use tests::machine::sh;

use crate::home::{Home, Kind, handle};

pub(crate) const ZONE: &str = "signed.test";

/// A key for [`ZONE`], and the zone signed with it.
pub(crate) fn sign(text: &str, directory: &Path) -> String {
    let file = directory.join(ZONE);
    fs::write(&file, text).unwrap();
    let at = directory.display();
    sh(&format!(
        "cd {at}; dnssec-keygen -q -K {at} -a ECDSAP256SHA256 -f KSK {ZONE} >name
         dnssec-signzone -q -S -z -x -K {at} -o {ZONE} -f signed {ZONE} >/dev/null
         awk '$3 == \"DNSKEY\" {{
             print \"trust-anchors {{ {ZONE}. static-key \" $4, $5, $6
             printf \"\\\"\"; for (i = 7; i <= NF; i++) printf \"%s\", $i; print \"\\\"; }};\"
         }}' $(cat name).key >anchors"
    ))
    .unwrap();
    fs::read_to_string(directory.join("signed")).unwrap()
}

/// What `delv`, which trusts nobody, makes of the answers.
fn validate(home: &Home, question: &str) -> String {
    let anchors = home.machine.directory().join("anchors");
    let anchors = anchors.display();
    sh(&format!(
        "delv @::1 -a {anchors} +root={ZONE} {question} 2>&1 || true"
    ))
    .unwrap()
}

#[test]
fn a_validator_behind_the_stub_resolver_is_content() {
    let home = Home::with(Kind {
        signed: true,
        ..Kind::default()
    });
    for question in [
        "classic.signed.test AAAA",
        "classic.signed.test A",
        "text.signed.test TXT",
        "www.signed.test CNAME",
        "vm1.signed.test NID",
        "vm1.signed.test L64",
    ] {
        let said = validate(&home, question);
        assert!(said.contains("; fully validated"), "{question}: {said}");
    }
    let said = validate(&home, "nobody.signed.test AAAA");
    assert!(
        said.contains("negative response, fully validated"),
        "{said}"
    );
    // A handle cannot be signed: who checks signatures gets the classic address, and everybody else
    // the handle.
    let said = validate(&home, "vm1.signed.test AAAA");
    assert!(said.contains("; fully validated"), "{said}");
    assert!(said.contains("2001:db8:a:0:214:4fff:fe20:ee64"), "{said}");
    let said = sh("getent ahosts vm1.signed.test").unwrap();
    assert!(said.starts_with(&handle().to_string()), "{said}");
}
