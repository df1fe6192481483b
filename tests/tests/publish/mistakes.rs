//! What an operator reads when something is configured wrongly.

use std::time::Duration;

use ilnp_dns::publish::Publication;
use tests::name_servers::tools::{await_answer, dig};
use tests::name_servers::{Key, NameServer, Role, Setup, Software};

use super::host::{Host, at, publication};
use super::{APEX, HOME, HOST, PRIMARIES, ZONE, primary};

/// Publishes with a mistake: the kind of the problem and its text.
fn problem(
    server: &NameServer,
    key: &Key,
    change: impl Fn(&mut Publication),
) -> (&'static str, String) {
    let mut publication = publication(&[server.address()], key);
    change(&mut publication);
    let host = Host::start(publication);
    host.want(at(&[HOME]));
    let problem = host.problem();
    let had = dig(server, &[HOST, "ANY", "+short", "+tcp"]).unwrap();
    assert_eq!(had, "", "nothing is changed");
    problem
}

#[test]
fn a_wrong_secret_name_or_algorithm_is_a_wrong_key() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = primary(software, &key);
        let secret = Key::generate(HOST).unwrap();
        let name = Key {
            name: "other".into(),
            ..key.clone()
        };
        let algorithm = Key {
            algorithm: "hmac-sha512".into(),
            ..key.clone()
        };
        for (wrong, said) in [
            (secret, "another secret"),
            (name, "does not know the key"),
            (algorithm, "does not know the key"),
        ] {
            let (kind, text) = problem(&server, &wrong, |_| {});
            assert_eq!(kind, "wrong-key", "{software:?}: {text}");
            assert!(text.contains(said), "{software:?}: {text}");
        }
    }
}

#[test]
fn a_name_that_the_key_may_not_change_is_refused() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = primary(software, &key);
        let other = format!("vm2.{APEX}.");
        let (kind, text) = problem(&server, &key, |one| one.name = other.parse().unwrap());
        // To Knot a key without a grant is no key.
        let (expected, said) = match software {
            Software::Knot => ("wrong-key", "what the server lets it change"),
            _ => ("refused", other.as_str()),
        };
        assert_eq!(kind, expected, "{software:?}: {text}");
        assert!(text.contains(said), "{software:?}: {text}");
    }
}

#[test]
fn a_server_without_the_zone_is_told() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = primary(software, &key);
        let (kind, text) = problem(&server, &key, |one| {
            one.name = "vm1.example.net.".parse().unwrap()
        });
        assert_eq!(kind, "not-served", "{software:?}: {text}");
        let (kind, text) = problem(&server, &key, |one| {
            one.zone = Some("example.net.".parse().unwrap());
        });
        assert_eq!(kind, "not-served", "{software:?}: {text}");
    }
}

#[test]
fn an_alias_is_not_published() {
    for software in PRIMARIES {
        let key = Key::generate(&format!("alias.{APEX}")).unwrap();
        let server = primary(software, &key);
        let alias = format!("alias.{APEX}.");
        let (kind, text) = problem(&server, &key, |one| one.name = alias.parse().unwrap());
        assert_eq!(kind, "alias", "{software:?}: {text}");
    }
}

#[test]
fn a_resolver_is_no_primary() {
    let key = Key::generate(HOST).unwrap();
    let primary = primary(Software::Bind, &key);
    let role = Role::Stub(primary.address());
    let resolver = Software::Unbound
        .start(&Setup::new().zone(APEX, role))
        .unwrap();
    let host = Host::start(publication(&[resolver.address()], &key));
    host.want(at(&[HOME]));
    let (kind, text) = host.problem();
    assert_ne!(kind, "unreachable", "{text}");
    drop(host);
    assert_eq!(dig(&primary, &[HOST, "NID", "+short"]).unwrap(), "");
}

#[test]
fn a_mended_mistake_is_noticed_without_a_restart() {
    let (right, wrong) = (Key::generate(HOST).unwrap(), Key::generate(HOST).unwrap());
    let mut server = primary(Software::Bind, &wrong);
    let host = Host::start(publication(&[server.address()], &right));
    host.want(at(&[HOME]));
    assert_eq!(host.problem().0, "wrong-key");
    server.stop().unwrap();
    let setup = Setup::at(server.address())
        .key(&right)
        .zone(APEX, Role::primary(ZONE));
    let server = Software::Bind.start(&setup).unwrap();
    host.wait(|status| status.primaries[0].confirmed.is_some());
    await_answer(
        &server,
        HOST,
        "L64",
        &["10 2001:db8:a:0"],
        Duration::from_secs(1),
    )
    .unwrap();
}
