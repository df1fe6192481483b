//! Moves that fail: the guest runs on at the source, with its disk whole, and nothing of it is left
//! at the target.

use std::time::Duration;

use ilnp_relocate::hypervisor::{HypervisorError, Plan, Source as _, Stream, Target as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::agents::{LIMIT, Move, plan};
use super::moves::two_sites;
use super::site::{DOMAIN, Site};

async fn taken_back(mut guest: Move, from: &Site, to: &Site) {
    let before = to
        .aside()
        .exists()
        .then(|| std::fs::read(to.aside()).unwrap());
    guest.source.resume().await.unwrap();
    guest.target.discard().await.unwrap();
    from.goes_on();
    assert_eq!(to.state(), "shut off");
    assert_eq!(to.serial(), "", "the guest has never run there");
    // What was there before is there again.
    assert!(!to.aside().exists() && !to.kept().exists());
    if let Some(before) = before {
        assert!(std::fs::read(to.overlay()).unwrap() == before);
    }
    let live = from.virsh(&["dumpxml", DOMAIN]);
    assert!(
        !live.contains("<mirror"),
        "a copy of the disk goes on: {live}"
    );
}

#[tokio::test]
async fn a_cut_at_any_point_leaves_the_guest_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let disk = Stream::Disk("vda".to_owned());
    let points = [
        // libvirt's greeting, its first call, its preparation.
        (Stream::Control, 1),
        (Stream::Control, 200),
        (Stream::Control, 3000),
        (disk.clone(), 1),
        (disk, 4 << 20),
        (Stream::Memory, 1),
        (Stream::Memory, 4 << 20),
        (Stream::Memory, 8 << 20),
    ];
    for (stream, octets) in points {
        let mut guest = Move::prepare(&a, &b, &plan()).await.unwrap();
        let streams = guest.streams.clone();
        let plan = plan();
        let copied = tokio::select! {
            copied = guest.copy(&plan) => copied,
            () = streams.cut_after(&stream, octets) => unreachable!("it does not return"),
        };
        let error = copied.expect_err("what was cut cannot have succeeded");
        assert!(
            matches!(
                error,
                HypervisorError::Failed { .. } | HypervisorError::Gone { .. }
            ),
            "{stream:?} {octets}: {error}"
        );
        taken_back(guest, &a, &b).await;
    }
    // And then it works.
    let mut guest = Move::prepare(&a, &b, &plan()).await.unwrap();
    guest.copy(&plan()).await.unwrap();
    guest.hand_over().await;
    b.goes_on();
    a.disk_is_whole();
    b.virsh(&["destroy", DOMAIN]);
    b.disk_is_whole();
}

#[tokio::test]
async fn a_guest_that_did_not_arrive_whole_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let mut guest = Move::prepare(&a, &b, &plan()).await.unwrap();
    guest.copy(&plan()).await.unwrap();
    guest.target.loaded().await.unwrap();
    // The QEMU of the target ends before anything was agreed on.
    b.virsh(&["destroy", DOMAIN]);
    let error = guest.target.resume().await.unwrap_err();
    assert!(error.to_string().contains("shut off"), "{error}");
    taken_back(guest, &a, &b).await;
    a.virsh(&["destroy", DOMAIN]);
    a.disk_is_whole();
}

#[tokio::test]
async fn an_operator_may_end_a_move() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    // By ending the copy...
    for octets in [1, 2 << 20] {
        let mut guest = Move::prepare(&a, &b, &plan()).await.unwrap();
        let streams = guest.streams.clone();
        let plan = plan();
        tokio::select! {
            copied = guest.copy(&plan) => panic!("too early: {copied:?}"),
            () = reached(&streams, &Stream::Memory, octets) => {}
        }
        taken_back(guest, &a, &b).await;
    }
    // ... or past the agents, which learn of it.
    let slow = Plan {
        bandwidth: Some(1 << 20),
        ..plan()
    };
    let mut guest = Move::prepare(&a, &b, &slow).await.unwrap();
    let streams = guest.streams.clone();
    let (copied, cancelled) = tokio::join!(guest.copy(&slow), async {
        reached(&streams, &Stream::Memory, 1).await;
        // `virsh domjobabort` makes the daemon of libvirt 9.0 crash now and then.
        let cancel = r#"{"execute": "migrate_cancel"}"#;
        let cancel = a.virsh_command(&["qemu-monitor-command", DOMAIN, cancel]);
        // The copy is carried meanwhile: QEMU may wait for that before it takes a command.
        Command::from(cancel).output().await.unwrap()
    });
    assert!(cancelled.status.success(), "{cancelled:?}");
    assert!(
        matches!(copied, Err(HypervisorError::Failed { .. })),
        "{copied:?}"
    );
    taken_back(guest, &a, &b).await;
}

async fn reached(streams: &super::agents::Streams, stream: &Stream, octets: usize) {
    while streams.octets(stream) < octets {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_guest_that_changes_too_much_runs_on_until_the_agent_gives_up() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    // It changes half a mebibyte with each tick, which takes half a second to send.
    let plan = Plan {
        bandwidth: Some(1 << 20),
        max_downtime: Duration::from_millis(1),
        ..plan()
    };
    let mut guest = Move::prepare(&a, &b, &plan).await.unwrap();
    let streams = guest.streams.clone();
    // All that it has filled; libvirt would slow it down further and further until it can be stopped.
    tokio::select! {
        copied = guest.copy(&plan) => panic!("too early: {copied:?}"),
        () = reached(&streams, &Stream::Memory, 15 << 20) => {}
    }
    let told = streams.told.lock().unwrap().clone();
    assert!(told.is_empty(), "it was not stopped: {told:?}");
    taken_back(guest, &a, &b).await;
}

#[tokio::test]
async fn a_daemon_that_dies_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (mut a, mut b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let mut guest = Move::prepare(&a, &b, &plan()).await.unwrap();
    b.kill_daemon();
    let copied = guest.copy(&plan()).await;
    assert!(copied.is_err(), "{copied:?}");
    let error = guest.target.discard().await.unwrap_err();
    assert!(matches!(error, HypervisorError::Gone { .. }), "{error}");
    guest.source.resume().await.unwrap();
    a.goes_on();
    a.kill_daemon();
    for error in [
        guest.source.describe().await.map(drop).unwrap_err(),
        timeout(LIMIT, guest.copy(&plan()))
            .await
            .expect("it is noticed")
            .map(drop)
            .unwrap_err(),
        guest.source.resume().await.unwrap_err(),
    ] {
        assert!(matches!(error, HypervisorError::Gone { .. }), "{error}");
        assert!(error.to_string().contains("is libvirtd running"), "{error}");
    }
}
