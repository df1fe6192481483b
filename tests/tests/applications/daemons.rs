//! The same programs on hosts with daemons, which publish themselves at BIND and move.

use std::net::IpAddr;
use std::time::Duration;

use experiments::scenario::{Dns, NameServer, Protocol, Resolver, Software};
use tests::machine::wait_for;
use tests::scene::{MOBILE, PEER, Scene, site};
use tests::session;

use crate::home::web_server;
use crate::program::Program;

/// Both hosts publish themselves, and ask for names.
fn start(name: &str) -> Scene {
    let mut scene = Scene::build(name, Protocol::Ilnp, |scenario| {
        scenario.sites.push(site("e"));
        scenario.name_servers.push(NameServer {
            name: "ns1".to_owned(),
            site: "e".to_owned(),
            kind: Software::Bind,
            zone: Some("example.org".to_owned()),
            secondary_of: None,
        });
        for host in &mut scenario.hosts {
            let servers = vec!["ns1".to_owned()];
            host.dns = Some(Dns {
                name: format!("{}.example.org", host.name),
                primaries: servers.clone(),
            });
            host.resolver = Some(Resolver { upstreams: servers });
        }
    })
    .unwrap();
    scene.lab().start_name_servers().unwrap();
    scene.lab().start_daemons().unwrap();
    for host in [MOBILE, PEER] {
        await_published(&mut scene, host);
    }
    scene
}

fn await_published(scene: &mut Scene, host: &str) {
    wait_for("what is published", || {
        let status = scene.ask(host, &["status"]);
        status.is_ok_and(|status| status["dns"]["primaries"][0]["state"] == "confirmed")
    })
    .unwrap();
}

fn run(scene: &Scene, host: &str, words: &[&str]) -> anyhow::Result<String> {
    let (program, words) = words.split_first().unwrap();
    session::output(scene.host(host)?.command(program).args(words))
}

#[test]
fn every_program_reaches_a_host_by_name_wherever_it_is() {
    let mut scene = start("applications");
    web_server(scene.host(PEER).unwrap());
    let handle: IpAddr = scene.handle(PEER).unwrap().into();
    let directory = tempfile::tempdir().unwrap();
    let programs = Program::all_in(scene.host(MOBILE).unwrap(), directory.path());
    for site in ["c", "d"] {
        if site == "d" {
            scene.move_hard(PEER, site).unwrap();
            // Within the five seconds for which resolvers may keep what they know.
            let limit = Duration::from_secs(10);
            scene.await_correspondent_at(MOBILE, site, limit).unwrap();
        }
        for program in &programs {
            if let Some(addresses) = program.addresses("c.example.org") {
                assert_eq!(addresses, [handle], "{} at {site}", program.name);
            }
            if let Some(address) = program.reaches("c.example.org") {
                assert_eq!(address, handle, "{} at {site}", program.name);
            }
        }
    }
}

#[test]
fn logs_show_the_name_wherever_the_host_is() {
    let mut scene = start("applications-log");
    let handle = scene.handle(PEER).unwrap().to_string();
    for site in ["c", "d"] {
        if site == "d" {
            scene.move_hard(PEER, site).unwrap();
        }
        let said = run(
            &scene,
            MOBILE,
            &["ping", "-c", "1", "-w", "5", "c.example.org"],
        )
        .unwrap();
        assert!(
            said.contains(&format!("from c.example.org ({handle})")),
            "{said}"
        );
        let said = run(&scene, MOBILE, &["getent", "hosts", &handle]).unwrap();
        assert!(said.contains("c.example.org"), "{said}");
    }
}
