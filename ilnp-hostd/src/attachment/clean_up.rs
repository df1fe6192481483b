//! Gives the host its settings back.

use ilnp_core::id::IlVector;

use super::Settings;
use crate::kernel::discovery::{Discovery, Sender};
use crate::kernel::{KernelError, Link, Netlink, Snapshot, Undo};

/// Takes back what was changed: tokens and the addresses that were made with them, sysctls, address
/// and routes of the handles.
pub(super) async fn clean_up(
    settings: &Settings,
    netlink: &Netlink,
    undo: Undo,
) -> Result<(), KernelError> {
    let snapshot = netlink.snapshot().await?;
    let tokens: Vec<_> = undo.tokens().map(|(name, _)| name).collect();
    let links: Vec<_> = snapshot
        .links
        .iter()
        .filter(|link| tokens.contains(&link.name.as_str()))
        .collect();
    for link in &links {
        remove_addresses(settings, netlink, &snapshot, link).await?;
    }
    undo.restore(netlink).await?;
    settings.ilnp_interface().clean_up(netlink).await?;
    for link in links {
        // Without an advertisement the kernel would form none of its own addresses until the next
        // one comes, which may take half an hour.
        if let Err(error) = solicit_routers(&snapshot, link) {
            tracing::warn!(%error, "the kernel forms its own addresses only when a router advertises itself next");
        }
    }
    Ok(())
}

/// Removes the addresses that were formed with our token. Taking the token back removes only those
/// whose lifetime was never changed.
pub(super) async fn remove_addresses(
    settings: &Settings,
    netlink: &Netlink,
    snapshot: &Snapshot,
    link: &Link,
) -> Result<(), KernelError> {
    for address in &snapshot.addresses {
        let ours = address.interface == link.index
            && !address.permanent
            && IlVector::from(address.address).nid == settings.nid;
        if ours {
            netlink
                .remove_address(address.interface, address.address, address.prefix_length)
                .await?;
        }
    }
    Ok(())
}

/// Asks the routers of a link to advertise themselves, if the link is up.
pub(super) fn solicit_routers(snapshot: &Snapshot, link: &Link) -> Result<(), KernelError> {
    let speaker = snapshot.addresses.iter().find(|address| {
        address.interface == link.index
            && address.address.is_unicast_link_local()
            && !address.tentative
    });
    let Some(speaker) = speaker.filter(|_| link.carrier) else {
        return Ok(());
    };
    Discovery::open()?.solicit_routers(Sender {
        interface: link.index,
        address: speaker.address,
        mac: link.mac,
    })
}
