//! Unbound and BIND as upstreams, and other people's tools as applications.

use std::process::Command;

use tests::name_servers::Software;

use crate::support::{RunningStub, VM1, VM2, dig, output, resolver};

const RESOLVERS: [Software; 2] = [Software::Unbound, Software::Bind];

#[test]
fn ilnp_names_are_answered_with_handles() {
    for software in RESOLVERS {
        let (_primary, resolver) = resolver(software);
        let stub = RunningStub::start(resolver.address());
        for transport in ["+notcp", "+tcp"] {
            for (name, handle) in [("vm1.example.org", VM1), ("vm2.example.org", VM2)] {
                let answer = stub.dig(&[transport, "+short", name, "AAAA"]);
                assert_eq!(answer.trim(), handle, "{software:?}");
                let answer = stub.dig(&[transport, "+short", name, "A"]);
                assert_eq!(answer.trim(), "", "{software:?}");
                let answer = stub.dig(&[transport, "+short", "-x", handle]);
                assert_eq!(answer.trim(), format!("{name}."), "{software:?}");
            }
        }
        let learnt = stub.daemon.learnt.lock().unwrap();
        let locator = |name: &str| {
            let found = learnt.iter().find(|found| found.name.to_string() == name);
            found.unwrap().locators[0].locator.to_string()
        };
        assert_eq!(locator("vm1.example.org."), "2001:db8:a::/64");
        assert_eq!(locator("vm2.example.org."), "2001:db8:b::/64");
    }
}

#[test]
fn an_alias_leads_to_the_handle() {
    for software in RESOLVERS {
        let (_primary, resolver) = resolver(software);
        let stub = RunningStub::start(resolver.address());
        let answer = stub.dig(&["+short", "www.example.org", "AAAA"]);
        assert_eq!(answer, format!("vm1.example.org.\n{VM1}\n"), "{software:?}");
    }
}

#[test]
fn an_empty_answer_has_the_soa_record() {
    let (_primary, resolver) = resolver(Software::Unbound);
    let stub = RunningStub::start(resolver.address());
    let answer = stub.dig(&["vm1.example.org", "A"]);
    assert!(answer.contains("status: NOERROR"), "{answer}");
    assert!(answer.contains("ANSWER: 0, AUTHORITY: 1"), "{answer}");
    assert!(answer.contains("SOA\tns.example.org."), "{answer}");
}

/// What `dig` prints of an answer without what differs each time: identifier, cookie, time, and
/// TTLs.
fn gist(text: &str) -> Vec<String> {
    let changing = [
        ";; Query time",
        ";; SERVER",
        ";; WHEN",
        "; <<>>",
        "; COOKIE",
    ];
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !changing.iter().any(|start| line.starts_with(start)));
    let mut lines: Vec<String> = lines
        .map(|line| match line.rsplit_once(", id: ") {
            Some((start, _id)) => start.to_owned(),
            None => line.to_owned(),
        })
        .collect();
    // Servers change the order of records from answer to answer.
    lines.sort();
    lines
}

#[test]
fn everything_else_is_as_the_upstream_says_it() {
    for software in RESOLVERS {
        let (_primary, resolver) = resolver(software);
        let stub = RunningStub::start(resolver.address());
        for question in [
            &["classic.example.org", "AAAA"][..],
            &["classic.example.org", "A"],
            &["classic.example.org", "TXT", "+bufsize=1400", "+nsid"],
            &["classic.example.org", "MX", "+tcp"],
            &["vm1.example.org", "NID"],
            &["vm1.example.org", "L64", "+cd"],
            &["vm2.example.org", "LP", "+dnssec", "+ad"],
            &["vm1.example.org", "TYPE106"],
            &["vm1.example.org", "HTTPS"],
            &["nothing.example.org", "AAAA"],
            &["nothing.example.org", "A", "+noedns"],
            &["example.org", "SOA", "+edns=1", "+noednsneg"],
            &["version.bind", "CH", "TXT"],
        ] {
            let fixed = ["+nottlid", "+nocookie"];
            let arguments = [question, &fixed].concat();
            let direct = gist(&dig(resolver.address(), &arguments));
            assert_eq!(
                gist(&stub.dig(&arguments)),
                direct,
                "{software:?} {question:?}"
            );
        }
    }
}

#[test]
fn other_tools_read_the_answers() {
    let (_primary, resolver) = resolver(Software::Unbound);
    let stub = RunningStub::start(resolver.address());
    let port = stub.address.port().to_string();
    let drill =
        output(Command::new("drill").args(["-p", &port, "@127.0.0.1", "vm1.example.org", "AAAA"]));
    assert!(drill.contains(VM1), "{drill}");
    let kdig = output(Command::new("kdig").args([
        "@127.0.0.1",
        "-p",
        &port,
        "+edns",
        "+short",
        "vm2.example.org",
        "AAAA",
    ]));
    assert_eq!(kdig.trim(), VM2);
    let host = output(Command::new("host").args([
        "-t",
        "AAAA",
        "-p",
        &port,
        "www.example.org",
        "127.0.0.1",
    ]));
    assert!(host.contains(VM1), "{host}");
}
