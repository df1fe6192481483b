//! Withdraws the addresses of an identifier that must not be used.

use ilnp_core::id::IlVector;

use super::Settings;
use super::clean_up::{remove_addresses, solicit_routers};
use crate::kernel::{KernelError, Netlink, Undo, restore_token};

/// Takes the tokens back and removes the addresses that were made with them. The kernel makes
/// addresses of its own, by which the host can still be reached, as soon as a router advertises.
pub(super) async fn withdraw(
    settings: &Settings,
    netlink: &Netlink,
    undo: &Undo,
) -> Result<(), KernelError> {
    let snapshot = netlink.snapshot().await?;
    for (name, before) in undo.tokens() {
        let Some(link) = snapshot.links.iter().find(|link| link.name == name) else {
            continue;
        };
        restore_token(netlink, link.index, before).await?;
        remove_addresses(settings, netlink, &snapshot, link).await?;
        if let Err(error) = solicit_routers(&snapshot, link) {
            tracing::warn!(%error, "{name} gets an address of its own only when a router advertises itself next");
        }
    }
    for address in netlink.snapshot().await?.addresses {
        if address.global && IlVector::from(address.address).nid == settings.nid {
            let is_handle = address.address == settings.ilnp_interface().handle();
            if !is_handle {
                tracing::warn!(
                    address = %address.address,
                    "an address of the identifier was not made by this daemon and stays: another copy of this host may have it, too"
                );
            }
        }
    }
    Ok(())
}
