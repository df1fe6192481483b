//! Moves that succeed.

use std::time::Duration;

use ilnp_relocate::hypervisor::{Plan, Source as _, Storage, Stream, Target as _};

use super::agents::{Move, plan};
use super::site::{DOMAIN, QEMU_USER, Site};

pub(crate) fn two_sites(directory: &tempfile::TempDir) -> (Site, Site) {
    use std::os::unix::fs::PermissionsExt as _;
    // QEMU runs as a user of its own.
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let site = |name: &str| {
        let place = directory.path().join(name);
        std::fs::create_dir(&place).unwrap();
        Site::start(name, place)
    };
    (site("a"), site("b"))
}

async fn moves(from: &Site, to: &Site, plan: &Plan) -> Move {
    let mut guest = Move::prepare(from, to, plan).await.unwrap();
    let copied = guest.copy(plan).await.unwrap();
    // As Debian configures it, at both sites.
    assert_eq!((from.qemu_user(), to.qemu_user()), (QEMU_USER, QEMU_USER));
    // It stands still at both sites: nothing has been decided.
    assert_eq!(from.state(), "paused");
    let at_stop = from.serial().len();
    tokio::time::timeout(super::agents::LIMIT, guest.target.loaded())
        .await
        .expect("it is loaded in time")
        .unwrap();
    assert_eq!(to.state(), "paused");
    assert_eq!(from.serial().len(), at_stop);
    assert!(copied.memory > 0, "{copied:?}");
    // libvirt may stop a guest that changes little before it could be told, or while it is; and one that
    // changes much is told again.
    let told = guest.streams.told.lock().unwrap().clone();
    let stops: Vec<_> = told.iter().filter(|told| **told != "told").collect();
    let (last, before) = stops.split_last().expect("it was stopped");
    assert!(
        **last == "stopped" && !before.contains(&&"stopped"),
        "{told:?}"
    );
    guest.hand_over().await;
    assert_eq!(from.state(), "shut off");
    to.goes_on();
    guest
}

#[tokio::test]
async fn a_guest_moves_with_its_delta_and_comes_home() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let there = moves(&a, &b, &plan()).await;
    let delta = there.streams.octets(&Stream::Disk(String::new()));
    assert!(
        (8 << 20..12 << 20).contains(&delta),
        "{delta} octets of a disk of 64 MiB"
    );
    let left = a.disk_is_whole();
    let overlay = std::fs::read(a.overlay()).unwrap();
    // What has been left behind is out of date when the guest comes home, and kept.
    moves(&b, &a, &plan()).await;
    assert!(std::fs::read(a.kept()).unwrap() == overlay);
    assert!(!a.aside().exists());
    b.disk_is_whole();
    a.virsh(&["destroy", DOMAIN]);
    assert!(a.disk_is_whole() > left);
}

#[tokio::test]
async fn everything_can_be_copied() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    // Nothing is on the base image there: all of it has to come.
    let nothing = std::fs::File::options().write(true).open(b.base()).unwrap();
    nothing.set_len(0).unwrap();
    nothing.set_len(64 << 20).unwrap();
    let plan = Plan {
        storage: Storage::Full,
        compress: true,
        bandwidth: None,
        ..plan()
    };
    moves(&a, &b, &plan).await;
    b.virsh(&["destroy", DOMAIN]);
    assert!(b.disk_is_whole() >= a.disk_is_whole());
}

#[tokio::test]
async fn the_target_stays_as_its_operator_defined_it() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let defined = b.virsh(&["dumpxml", "--inactive", DOMAIN]);
    moves(&a, &b, &plan()).await;
    assert_eq!(b.virsh(&["dumpxml", "--inactive", DOMAIN]), defined);
    let running = b.virsh(&["dumpxml", DOMAIN]);
    assert!(running.contains(b.overlay().to_str().unwrap()));
    assert!(
        !running.contains(a.directory.to_str().unwrap()),
        "{running}"
    );
}

#[tokio::test]
async fn the_port_of_a_guest_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let port = a.domain().port("org.ilnp.relocate.0").await.unwrap();
    assert!(
        port.as_ref()
            .is_some_and(|port| port.ends_with("domain-1-vm1/org.ilnp.relocate.0")),
        "{port:?}"
    );
    assert_eq!(a.domain().port("org.other.0").await.unwrap(), None);
    assert_eq!(b.domain().port("org.ilnp.relocate.0").await.unwrap(), None);
}

#[tokio::test]
async fn an_agent_that_was_restarted_takes_the_guest_back_or_lets_it_go() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    for taken_back in [true, false] {
        let mut before = Move::prepare(&a, &b, &plan()).await.unwrap();
        before.copy(&plan()).await.unwrap();
        before.target.loaded().await.unwrap();
        drop(before);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            (a.state().as_str(), b.state().as_str()),
            ("paused", "paused")
        );
        let mut source = ilnp_relocate::libvirt::LibvirtSource::new(a.domain());
        let mut target = ilnp_relocate::libvirt::LibvirtTarget::new(b.domain());
        if taken_back {
            target.discard().await.unwrap();
            source.resume().await.unwrap();
            a.goes_on();
            assert_eq!(b.state(), "shut off");
        } else {
            target.resume().await.unwrap();
            source.release().await.unwrap();
            source.release().await.unwrap();
            b.goes_on();
            assert_eq!(a.state(), "shut off");
        }
    }
}
