//! What is refused before anything is copied or changed.

use std::process::Output;

use ilnp_relocate::hypervisor::{HypervisorError, Plan, Source as _, Storage, Target as _};
use ilnp_relocate::libvirt::{Domain, LibvirtSource, LibvirtTarget};

use super::agents::{LIMIT, Move, plan};
use super::moves::two_sites;
use super::site::{DOMAIN, Site};

/// How a program ends, and what it says.
async fn said(program: &mut tokio::process::Command) -> Output {
    let output = tokio::time::timeout(LIMIT, program.kill_on_drop(true).output());
    output.await.expect("it ends in time").unwrap()
}

async fn refusal(from: &Site, to: &Site, plan: &Plan) -> String {
    let before = std::fs::read(to.overlay()).unwrap();
    let Err(error) = Move::prepare(from, to, plan).await else {
        panic!("it was not refused");
    };
    assert!(matches!(error, HypervisorError::Refused(_)), "{error}");
    assert_eq!(std::fs::read(to.overlay()).unwrap(), before);
    assert_eq!(from.state(), "running");
    error.to_string()
}

#[tokio::test]
async fn a_guest_that_cannot_go_on_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.make_disk();
    for (ours, theirs, said) in [
        (
            "pc-q35-7.2",
            "pc-q35-7.1",
            "the machine type is pc-q35-7.2 there and pc-q35-7.1 here",
        ),
        (
            "qemu64",
            "qemu32",
            "the processor model is qemu64,-cx16 there and qemu32,-cx16 here",
        ),
        (
            "<vcpu>1<",
            "<vcpu>2<",
            "the number of processors is 1 there and 2 here",
        ),
        (
            ">16<",
            ">32<",
            "the memory is 16777216 octets there and 33554432 octets here",
        ),
        (
            "dev='vda' bus='virtio'",
            "dev='vdb' bus='virtio'",
            "its disks are [\"vda\"] there and [\"vdb\"] here",
        ),
        (
            "dev='vda' bus='virtio'",
            "dev='sda' bus='sata'",
            "only here there is",
        ),
        (
            "org.ilnp.relocate.0",
            "org.other.0",
            "target-name=org.ilnp.relocate.0",
        ),
        (
            "<acpi/>",
            "",
            "only at the other site there is \"feature acpi\"",
        ),
    ] {
        b.define(|xml| xml.replace(ours, theirs));
        let error = refusal(&a, &b, &plan()).await;
        assert!(error.contains(said), "{theirs}: {error}");
        b.virsh(&["undefine", DOMAIN]);
    }
}

#[tokio::test]
async fn another_base_image_is_refused_for_a_delta() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let mut base = std::fs::read(b.base()).unwrap();
    base[20 << 20] ^= 1;
    std::fs::write(b.base(), base).unwrap();
    let error = refusal(&a, &b, &plan()).await;
    assert!(error.contains("disk vda lies on a base image"), "{error}");
    let everything = Plan {
        storage: Storage::Full,
        ..plan()
    };
    let mut target = LibvirtTarget::new(b.domain());
    let guest = LibvirtSource::new(a.domain()).describe().await.unwrap();
    target.check(&guest, &everything).await.unwrap();
}

#[tokio::test]
async fn a_domain_that_is_not_there_or_already_runs_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.make_disk();
    let error = refusal(&a, &b, &plan()).await;
    assert!(
        error.contains("knows no domain vm1") && error.contains("virsh define"),
        "{error}"
    );

    b.define(|xml| xml);
    let shut_off = LibvirtSource::new(b.domain()).describe().await.unwrap_err();
    assert!(
        shut_off
            .to_string()
            .contains("does not run here: it is shut off"),
        "{shut_off}"
    );
    b.virsh(&["start", DOMAIN]);
    let error = Move::prepare(&a, &b, &plan())
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        error.to_string().contains("is running here already"),
        "{error}"
    );
    let discarded = LibvirtTarget::new(b.domain()).discard().await.unwrap_err();
    assert!(
        discarded.to_string().contains("not thrown away"),
        "{discarded}"
    );
    assert_eq!(b.state(), "running");

    let nowhere = Domain {
        uri: "qemu+unix:///system?socket=/nonexistent".to_owned(),
        ..a.domain()
    };
    let error = LibvirtSource::new(nowhere).describe().await.unwrap_err();
    assert!(matches!(error, HypervisorError::Gone { .. }), "{error}");
}

#[tokio::test]
async fn post_copy_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let plan = Plan {
        post_copy: true,
        ..plan()
    };
    let mut guest = Move::prepare(&a, &b, &plan).await.unwrap();
    let error = guest.copy(&plan).await.unwrap_err();
    assert!(matches!(error, HypervisorError::Refused(_)), "{error}");
    guest.target.discard().await.unwrap();
    a.goes_on();
}

#[tokio::test]
async fn the_other_site_gets_nothing_from_our_daemon_but_the_move() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = two_sites(&directory);
    a.run_guest();
    b.expect_guest();
    let guest = Move::prepare(&a, &b, &plan()).await.unwrap();
    let control = guest
        .target
        .socket(&ilnp_relocate::hypervisor::Stream::Control)
        .unwrap();
    let uri = format!("qemu+unix:///system?socket={}", control.display());
    for arguments in [
        &["list", "--all"][..],
        &["dumpxml", DOMAIN],
        &["start", DOMAIN],
        &["undefine", DOMAIN],
    ] {
        let mut virsh = tokio::process::Command::new("virsh");
        virsh.args(["--connect", &uri]).args(arguments);
        let output = said(&mut virsh).await;
        assert!(!output.status.success(), "{arguments:?}");
        // Where it looks for a domain first, virsh says that there is none, and not why.
        if arguments[0] == "list" {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                said.contains("lets nothing through but a migration"),
                "{said}"
            );
        }
    }
    // Not even a migration that lets the guest run there at once.
    let mut virsh = tokio::process::Command::new("virsh");
    virsh
        .args([
            "--connect",
            &a.uri(),
            "migrate",
            "--live",
            "--domain",
            DOMAIN,
        ])
        .args(["--desturi", &uri, "--migrateuri", "unix:///nowhere"]);
    virsh.args(["--copy-storage-inc", "--disks-uri", "unix:///nowhere"]);
    let output = said(&mut virsh).await;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("lets no migration through with flags"),
        "{said}"
    );
    assert_eq!(b.state(), "shut off");
    a.goes_on();
}
