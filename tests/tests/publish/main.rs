//! A host publishes itself at real primary servers.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod host;
mod mistakes;
mod moves;
mod outages;
mod signatures;
mod way;

use tests::name_servers::{Key, NameServer, Role, Setup, Software};

const APEX: &str = "example.org";
const HOST: &str = "vm1.example.org";
/// Where the host is at first, and then.
const HOME: &str = "2001:db8:a::/64";
const AWAY: &str = "2001:db8:b::/64";
const ZONE: &str = "$TTL 5
@ SOA ns hostmaster 1 60 10 3600 5
@ NS ns
ns A 127.0.0.1
alias CNAME vm1
site1 L64 10 2001:0db8:000a:0000
";
/// Those that take updates.
const PRIMARIES: [Software; 3] = [Software::Bind, Software::Knot, Software::Dnsd];

/// A primary of the zone that lets each key change the host of its name.
fn primary(software: Software, key: &Key) -> NameServer {
    let setup = Setup::new().key(key).zone(APEX, Role::primary(ZONE));
    software.start(&setup).unwrap()
}
