//! A server with a zone in which there is something of everything.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};

use tests::dns::answer::{Answer, Record};
use tests::dns::tsig::Signer;
use tests::dns::{compose, exchange, rtype};
use tests::name_servers::{Grant, Key, NameServer, Role, Setup, Software};

pub(crate) const ZONE: &str = "example.org";
/// A host with a key of its own; it may change its NID, L64, LP and AAAA records.
pub(crate) const HOST: &str = "vm1.example.org";
/// A key that may change TXT records of one name, and any at the apex.
pub(crate) const ADMIN: &str = "admin";
/// The key of transfers.
pub(crate) const TRANSFER: &str = "xfer";

pub(crate) const TEXT: &str = "$TTL 3600
@ SOA ns hostmaster 7 3600 600 86400 5
@ NS ns
ns A 127.0.0.1
ns AAAA ::1
vm1 NID 10 0214:4fff:fe20:ee64
vm1 5 L64 10 2001:0db8:000a:0000
vm1 5 AAAA 2001:db8:a:0:214:4fff:fe20:ee64
vm2 NID 10 214:4FFF:fe20:ee65
vm2 0 L64 10 2001:db8:b:0
vm2 0 L64 20 2001:db8:c:0
vm3 NID 10 0214:4fff:fe20:ee66
vm3 LP 10 site
vm3 L32 10 10.1.2.0
site L64 10 2001:0db8:000d:0000
*.mob L64 10 2001:0db8:000e:0000
alias CNAME vm1
sub NS ns.sub
ns.sub A 127.0.0.2
text TXT \"a text\"
";

/// The server and what it was told.
pub(crate) struct Fixture {
    pub(crate) server: NameServer,
    pub(crate) host: Signer,
    pub(crate) admin: Signer,
    transfer: Signer,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        Self::start_notifying(TEXT, &[])
    }

    /// With another zone, and secondaries that are told.
    pub(crate) fn start_notifying(text: &str, secondaries: &[SocketAddr]) -> Self {
        let server = Software::Dnsd.start(&setup(text, secondaries)).unwrap();
        let signer = |name| Signer::new(server.key(name)).unwrap();
        Self {
            host: signer(HOST),
            admin: signer(ADMIN),
            transfer: signer(TRANSFER),
            server,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Asks over UDP.
    pub(crate) fn ask(&self, name: &str, rtype: u16) -> Answer {
        exchange::udp(self.address(), &compose::query(3, name, rtype)).unwrap()
    }

    /// Sends an update signed by a key, and returns its answer.
    pub(crate) fn update(
        &self,
        signer: &Signer,
        prerequisites: &[Vec<u8>],
        changes: &[Vec<u8>],
    ) -> Answer {
        // Two updates of one second are told apart by this alone.
        static ID: AtomicU16 = AtomicU16::new(0);
        let id = ID.fetch_add(1, Ordering::Relaxed);
        let mut message = compose::update(id, ZONE, prerequisites, changes);
        signer.sign(&mut message);
        exchange::udp(self.address(), &message).unwrap()
    }

    /// Replaces the Locator of the host; returns the response code.
    pub(crate) fn move_host(&self, locator: u64) -> u16 {
        let changes = [
            compose::delete(HOST, rtype::L64),
            compose::add(HOST, rtype::L64, &compose::preferred(10, locator)),
        ];
        self.update(&self.host, &[], &changes).rcode()
    }

    /// The Locator of the host.
    pub(crate) fn locator(&self) -> u64 {
        let answer = self.ask(HOST, rtype::L64);
        let data = answer.data(rtype::L64);
        assert_eq!(data.len(), 1, "{answer:?}");
        u64::from_be_bytes(data[0][2..].try_into().unwrap())
    }

    /// All records of the zone in a fixed order, the SOA record among them.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut request = compose::query(5, ZONE, rtype::AXFR);
        self.transfer.sign(&mut request);
        let (mut records, _) = exchange::transfer(self.address(), &request).unwrap();
        records.sort_by(|one, other| {
            let key = |record: &Record| (record.owner.clone(), record.rtype, record.rdata.clone());
            key(one).cmp(&key(other))
        });
        records
    }
}

/// What such a server is told.
pub(crate) fn setup(text: &str, secondaries: &[SocketAddr]) -> Setup<'static> {
    let grant = |name: &str, types: &[&'static str]| Grant::Name {
        key: ADMIN.to_owned(),
        name: name.to_owned(),
        types: types.to_vec(),
    };
    let role = Role::Primary {
        text: text.to_owned(),
        grants: vec![
            Grant::Name {
                key: HOST.to_owned(),
                name: HOST.to_owned(),
                types: vec!["NID", "L64", "LP", "AAAA"],
            },
            grant("text.example.org", &["TXT"]),
            grant("vm2.example.org", &["TXT", "CNAME", "L32", "LP"]),
            grant(ZONE, &["SOA", "NS", "TXT"]),
        ],
        notify: secondaries.to_vec(),
        transfer_key: Some(TRANSFER.to_owned()),
    };
    let key = |name| Key::generate(name).unwrap();
    Setup::new()
        .key(&key(HOST))
        .key(&key(ADMIN))
        .key(&key(TRANSFER))
        .zone(ZONE, role)
}
