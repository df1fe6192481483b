//! A disk without room.

use std::fs;
use std::io::Write as _;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tests::dns::tsig::Signer;
use tests::dns::{compose, exchange, rcode, rtype};
use tests::name_servers::Software;
use tests::sandbox::Sandbox;

use crate::fixture::{HOST, TEXT, ZONE, setup};

/// Room for the server at first.
const SIZE: &str = "size=16m";

#[test]
fn a_full_disk_refuses_updates_and_nothing_else() {
    let sandbox = Sandbox::enter().unwrap();
    let disk = sandbox.path().parent().unwrap();
    let disk = tempfile::tempdir_in(disk).unwrap();
    let kind = Some("tmpfs");
    mount(kind, disk.path(), kind, MsFlags::empty(), Some(SIZE)).unwrap();

    let setup = setup(TEXT, &[]).within(disk.path());
    let mut server = Software::Dnsd.start(&setup).unwrap();
    let signer = Signer::new(server.key(HOST)).unwrap();
    let address = server.address();
    let send = |locator: u64| {
        let changes = [
            compose::delete(HOST, rtype::L64),
            compose::add(HOST, rtype::L64, &compose::preferred(10, locator)),
        ];
        let mut message = compose::update(1, ZONE, &[], &changes);
        signer.sign(&mut message);
        exchange::udp(address, &message).unwrap().rcode()
    };
    let locator = || {
        let question = compose::query(1, HOST, rtype::L64);
        let answer = exchange::udp(address, &question).unwrap();
        u64::from_be_bytes(answer.data(rtype::L64)[0][2..].try_into().unwrap())
    };

    let fill = disk.path().join("fill");
    fill_up(&fill);
    // What was set aside before may be used up first.
    let mut last = 0;
    let refusal = (1..200_000).find_map(|number| match send(number) {
        rcode::NOERROR => {
            last = number;
            None
        }
        code => Some(code),
    });
    assert!(
        matches!(refusal, Some(rcode::SERVFAIL | rcode::REFUSED)),
        "{refusal:?} after {last} updates\n{}",
        server.log_end()
    );
    assert_eq!(
        locator(),
        if last == 0 {
            0x2001_0db8_000a_0000
        } else {
            last
        }
    );

    fs::remove_file(&fill).unwrap();
    assert_eq!(send(1_000_000), rcode::NOERROR, "{}", server.log_end());
    server.kill().unwrap();
    server.start_again().unwrap();
    assert_eq!(locator(), 1_000_000);
    drop(server);
    // Programs that other tests start hold copies of this one's files until they run.
    umount2(disk.path(), MntFlags::MNT_DETACH).unwrap();
}

fn fill_up(path: &std::path::Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        let octets = vec![0x5a; size];
        while file.write_all(&octets).is_ok() {}
    }
}
