//! What cannot work is refused with the remedy, and leaves nothing behind.

use std::fs;

use anyhow::ensure;
use ilnp_core::id::Nid;
use ilnp_hostd::datapath::{AttachMethod, DataPathConfig, DataPathError};

use crate::pair::{Pair, files};

#[test]
fn refusals_name_the_remedy_and_change_nothing() -> anyhow::Result<()> {
    let mut pair = Pair::new(AttachMethod::Tcx, 12)?;
    let mine = pair.hosts[0].config.clone();
    let before = files(pair.sandbox.path())?;

    let busy = pair.refused(0, &mine)?;
    ensure!(matches!(busy, DataPathError::InterfaceBusy(_)), "{busy}");

    let second = DataPathConfig {
        interface_name: "ilnp1".to_owned(),
        ..mine.clone()
    };
    let elsewhere = DataPathConfig {
        pin_dir: "/tmp/ilnp-no-bpffs".into(),
        ..second.clone()
    };
    let error = pair.refused(0, &elsewhere)?;
    ensure!(
        matches!(error, DataPathError::NoBpfFileSystem(_)),
        "{error}"
    );
    ensure!(error.to_string().contains("mount -t bpf"), "{error}");
    ensure!(!elsewhere.pin_dir.exists(), "a directory was made");

    let taken = DataPathConfig {
        interface_name: "eth0".to_owned(),
        ..mine.clone()
    };
    let error = pair.refused(0, &taken)?;
    ensure!(matches!(error, DataPathError::InterfaceTaken(_)), "{error}");

    let other_namespace = DataPathConfig {
        interface_name: "ilnp1".to_owned(),
        ..mine
    };
    let error = pair.refused(1, &other_namespace)?;
    ensure!(matches!(error, DataPathError::OtherNamespace(_)), "{error}");

    let old = pair.sandbox.pin_dir("old");
    fs::create_dir_all(old.join("layout-0"))?;
    let other_layout = DataPathConfig {
        pin_dir: old.clone(),
        ..second
    };
    let error = pair.refused(0, &other_layout)?;
    ensure!(
        matches!(error, DataPathError::OtherLayout { .. }),
        "{error}"
    );
    ensure!(error.to_string().contains("--cleanup"), "{error}");
    fs::remove_dir_all(&old)?;

    let missing = pair.hosts[0].data_path().attach(9999);
    ensure!(
        matches!(missing, Err(DataPathError::NoInterface(9999))),
        "{missing:?}"
    );

    let links = pair.hosts[0]
        .namespace
        .command("ip")
        .args(["-o", "link"])
        .output()?;
    let links = String::from_utf8_lossy(&links.stdout).into_owned();
    ensure!(!links.contains("ilnp1"), "{links}");
    ensure!(files(pair.sandbox.path())? == before, "pins were made");
    Ok(())
}

#[test]
fn another_identity_inherits_no_session() -> anyhow::Result<()> {
    let mut pair = Pair::new(AttachMethod::Tcx, 12)?;
    pair.hosts[0].abandon();
    pair.hosts[0].config.nid = Nid::from_bits(0x0214_4fff_fe20_0009);
    let restored = pair.open(0)?;
    ensure!(restored.is_empty(), "{restored:?}");
    pair.hosts[0].abandon();
    pair.hosts[0].config.nid = Nid::from_bits(0x0214_4fff_fe20_0001);
    let restored = pair.open(0)?;
    ensure!(restored.is_empty(), "{restored:?}");
    Ok(())
}
