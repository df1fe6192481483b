//! SIGHUP: keys, grants and zones change without a restart.

use std::fs;

use bytes::Bytes;
use ilnp_dns::message::Rcode;
use ilnp_dns::record::RecordType;

use crate::world::{CONFIG, World, l64, replace_l64};

const HOST: &str = "vm1.example.org.";

#[test]
fn a_reload_brings_keys_grants_and_zones() {
    let world = World::new();
    let server = world.start();
    let answer = world.ask(&server, "a.example.net.", RecordType::TXT);
    assert_eq!(answer.rcode, Rcode::REFUSED);

    world.write_key("admin");
    world.write(
        "example.net.zone",
        "@ 5 SOA ns h 1 2 3 4 5\n@ 5 NS ns\na 5 TXT b\n",
    );
    let config = CONFIG.replace("\"xfer.key\"", "\"xfer.key\", \"admin.key\"");
    let more = "
[[zone.grant]]
key = \"admin\"
name = \"*.example.org\"
types = [\"ANY\"]
[[zone]]
name = \"example.net\"
file = \"example.net.zone\"
";
    world.write("dnsd.toml", &(config + more));
    server.signal("HUP");
    server.wait_for_log("reloaded");
    let text = Bytes::from_static(b"\x01b");
    world.wait_for(&server, "a.example.net.", RecordType::TXT, &[text]);
    let answer = world.send(&server, &replace_l64(HOST, &[l64(2)]), "admin");
    assert_eq!(answer.rcode, Rcode::NOERROR);

    // What was updated stays when the configuration is reread without the zone, and with it again.
    world.write("dnsd.toml", "");
    server.signal("HUP");
    server.wait_for_log("reloaded");
    let answer = world.ask(&server, HOST, RecordType::L64);
    assert_eq!(answer.rcode, Rcode::REFUSED);
    world.write("dnsd.toml", CONFIG);
    server.signal("HUP");
    server.wait_for_log("reloaded");
    world.wait_for(&server, HOST, RecordType::L64, &[l64(2)]);
}

#[test]
fn a_configuration_with_mistakes_changes_nothing() {
    let world = World::new();
    let server = world.start();
    let path = world.path().join("dnsd.toml");
    world.write("dnsd.toml", "listen = 53\n");
    server.signal("HUP");
    let line = server.wait_for_log("nothing was reloaded");
    assert!(
        line.contains(&format!("{}:1:10:", path.display())),
        "{line}"
    );
    world.wait_for(&server, HOST, RecordType::L64, &[l64(1)]);
    fs::remove_file(path).unwrap();
    server.signal("HUP");
    server.wait_for_log("nothing was reloaded");
    world.wait_for(&server, HOST, RecordType::L64, &[l64(1)]);
}

#[test]
fn a_stop_is_clean() {
    let world = World::new();
    let mut server = world.start();
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
}
