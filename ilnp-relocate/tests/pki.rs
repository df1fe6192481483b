//! The verb `pki`, and what it leaves on the disk.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use ilnp_relocate::pki::{Authority, PkiError, Verb};
use ilnp_relocate::tls::{Files, Identity};
use serde_json::Value;
use tempfile::TempDir;

/// The verb as the program has it.
#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

fn pki(arguments: &[&str]) -> Result<String, PkiError> {
    let arguments = ["pki"].iter().chain(arguments);
    Program::try_parse_from(arguments).unwrap().verb.run(false)
}

fn json(arguments: &[&str]) -> Value {
    let arguments = ["pki"].iter().chain(arguments);
    let text = Program::try_parse_from(arguments)
        .unwrap()
        .verb
        .run(true)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// An empty directory that exists not yet.
fn place() -> (TempDir, PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority");
    let text = path.to_str().unwrap().to_owned();
    (directory, path, text)
}

/// Every file below a directory and what it holds.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_site_comes_goes_and_comes_back() {
    let (_directory, path, authority) = place();
    let said = pki(&["init", &authority, "--name", "Example Networks"]).unwrap();
    assert!(
        said.contains("ca.pem") && said.contains("revoked.pem"),
        "{said}"
    );
    let said = pki(&["issue", &authority, "london"]).unwrap();
    assert!(
        said.contains("london.pem") && said.contains("london.key"),
        "{said}"
    );
    pki(&["issue", &authority, "paris"]).unwrap();
    let first = std::fs::read(path.join("london.pem")).unwrap();

    let said = pki(&["revoke", &authority, "london"]).unwrap();
    assert!(said.contains("revoked.pem to every site"), "{said}");
    pki(&["issue", &authority, "london"]).unwrap();
    assert_ne!(std::fs::read(path.join("london.pem")).unwrap(), first);
    pki(&["revoke", &authority, "london"]).unwrap();
    pki(&["issue", &authority, "london"]).unwrap();

    let shown = pki(&["show", &authority]).unwrap();
    let states: Vec<_> = shown
        .lines()
        .skip(1)
        .map(|line| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        states,
        [
            "london good",
            "london revoked",
            "london revoked",
            "paris good"
        ]
    );
    let shown = json(&["show", &authority]);
    assert_eq!(shown["schema"], 1);
    let certificates = shown["certificates"].as_array().unwrap();
    let serials: Vec<_> = certificates
        .iter()
        .map(|entry| entry["serial"].to_string())
        .collect();
    assert_eq!(certificates.len(), 4);
    assert!(
        serials.iter().all(|serial| serial.len() > 30),
        "{serials:?}"
    );

    // The last one is good, and the first one is in the list still.
    let files = Files {
        ca: path.join("ca.pem"),
        certificate: path.join("london.pem"),
        key: path.join("london.key"),
        revoked: path.join("revoked.pem"),
    };
    Identity::load("london".parse().unwrap(), files.clone()).unwrap();
    for entry in std::fs::read_dir(path.join("revoked")).unwrap() {
        let certificate = entry.unwrap().path();
        if certificate.extension().unwrap() == "pem" {
            let key = certificate.with_extension("key");
            let old = Files {
                certificate,
                key,
                ..files.clone()
            };
            let error = Identity::load("london".parse().unwrap(), old)
                .unwrap_err()
                .to_string();
            assert!(error.contains("the certificate was revoked"), "{error}");
        }
    }
}

#[test]
fn nothing_is_overwritten_and_nobody_else_can_read_it() {
    let (_directory, path, authority) = place();
    pki(&["init", &authority, "--name", "x"]).unwrap();
    pki(&["issue", &authority, "a"]).unwrap();
    pki(&["issue", &authority, "b"]).unwrap();
    pki(&["revoke", &authority, "b"]).unwrap();
    let before = contents(&path);
    for file in before.keys() {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    for directory in [&path, &path.join("revoked")] {
        let mode = std::fs::metadata(directory).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
    }

    let refused = |arguments: &[&str], why: &str| {
        let error = pki(arguments).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(contents(&path) == before, "{arguments:?} changed something");
    };
    refused(
        &["init", &authority, "--name", "x"],
        "exists already, and is not overwritten",
    );
    refused(
        &["issue", &authority, "a"],
        "`ilnp-relocate pki revoke` makes room",
    );
    refused(&["issue", &authority, "ca"], "cannot be called ca");
    refused(
        &["issue", &authority, "revoked"],
        "cannot be called revoked",
    );
    refused(&["revoke", &authority, "b"], "site b has no certificate in");
    refused(
        &["revoke", &authority, "ca"],
        "site ca has no certificate in",
    );
    let elsewhere = path.join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    refused(
        &["issue", elsewhere, "c"],
        "`ilnp-relocate pki init` makes one",
    );
    refused(&["show", elsewhere], "there is no authority in");
    refused(
        &["init", elsewhere, "--name", "two\nlines"],
        "is no name for an authority",
    );
    refused(
        &["init", elsewhere, "--name", ""],
        "is no name for an authority",
    );
    assert!(Program::try_parse_from(["pki", "issue", &authority, "../b"]).is_err());

    // A key without a certificate is somebody's, too.
    std::fs::write(path.join("c.key"), "mine").unwrap();
    let error = pki(&["issue", &authority, "c"]).unwrap_err().to_string();
    assert!(error.contains("c.key exists already"), "{error}");
}

#[test]
fn a_damaged_authority_says_which_file() {
    let (_directory, path, authority) = place();
    pki(&["init", &authority, "--name", "x"]).unwrap();
    pki(&["issue", &authority, "a"]).unwrap();
    let damage = |file: &str, octets: &[u8], arguments: &[&str], why: &str| {
        let good = std::fs::read(path.join(file)).unwrap();
        std::fs::write(path.join(file), octets).unwrap();
        let before = contents(&path);
        let error = pki(arguments).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(why), "{error}");
        assert!(contents(&path) == before);
        std::fs::write(path.join(file), good).unwrap();
    };
    let key_of_a = std::fs::read(path.join("a.key")).unwrap();
    let certificate = std::fs::read(path.join("a.pem")).unwrap();
    let issue = ["issue", &authority, "b"];
    let revoke = ["revoke", &authority, "a"];
    damage("ca.key", b"", &issue, "is damaged");
    damage("ca.key", &key_of_a, &issue, "it is not the key of ca.pem");
    damage(
        "ca.pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &issue,
        "is damaged",
    );
    damage(
        "revoked.pem",
        &certificate,
        &revoke,
        "a CERTIFICATE is no X509 CRL",
    );
    damage("revoked.pem", b"", &revoke, "there is no X509 CRL in it");
    damage("a.pem", &key_of_a, &revoke, "is no CERTIFICATE");
    pki(&issue).unwrap();
}

#[test]
fn one_process_changes_an_authority_at_a_time() {
    let (_directory, path, authority) = place();
    pki(&["init", &authority, "--name", "x"]).unwrap();
    let open = Authority::open(&path).unwrap();
    let error = pki(&["issue", &authority, "a"]).unwrap_err();
    assert!(matches!(error, PkiError::Busy(_)), "{error}");
    drop(open);
    pki(&["issue", &authority, "a"]).unwrap();
}

#[test]
fn others_understand_the_certificates() {
    let (_directory, path, authority) = place();
    pki(&["init", &authority, "--name", "x"]).unwrap();
    pki(&["issue", &authority, "a"]).unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&path)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (good, text) = openssl(&["x509", "-in", "a.pem", "-noout", "-text"]);
    assert!(good, "{text}");
    for part in [
        "P-256",
        "DNS:a",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let verify = [
        "verify",
        "-CAfile",
        "ca.pem",
        "-crl_check",
        "-CRLfile",
        "revoked.pem",
        "a.pem",
    ];
    let (good, text) = openssl(&verify);
    assert!(good, "{text}");
    std::fs::copy(path.join("a.pem"), path.join("kept")).unwrap();
    pki(&["revoke", &authority, "a"]).unwrap();
    std::fs::copy(path.join("kept"), path.join("a.pem")).unwrap();
    let (good, text) = openssl(&verify);
    assert!(!good && text.contains("certificate revoked"), "{text}");
}
