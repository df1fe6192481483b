//! The interface that bears the handles.
//!
//! The TUN device itself is the data path's. Here it gets its address, its MTU and its routes.
//! Everything can be done twice: a new daemon takes over what an earlier one set up.

use std::net::Ipv6Addr;

use ilnp_core::id::{Handle, HandlePrefix, Nid};
use ilnp_core::wire::NonceLength;

use super::{KernelError, Netlink, sysctl};

/// What the interface is to be.
#[derive(Clone, Debug)]
pub struct IlnpInterface {
    /// Its name.
    pub name: String,
    /// This node's identifier.
    pub nid: Nid,
    /// The prefix of the handles.
    pub handle_prefix: HandlePrefix,
    /// The Nonces that this node sends.
    pub nonce_length: NonceLength,
}

/// The Nonce option that is inserted into every packet, in its header: what the interface's MTU is
/// less than the link's.
const NONCE: u32 = 16;

/// The least MTU of a link that IPv6 runs over (RFC 8200 §5). On a link that has no more than this,
/// packets of this size are fragmented.
const LEAST_MTU: u32 = 1280;

/// The MTU while no link is known.
const ETHERNET_MTU: u32 = 1500;

/// The least retransmission time-out of TCP between handles, in milliseconds, which TCP adds to the
/// round-trip time. Linux has 200, and after a move that is what a session waits for when the way
/// is long there again.
///
/// It must stay above what a Linux correspondent delays an acknowledgement by: 40 ms and two ticks
/// of its clock, unless the round-trip time is longer; from Linux 6.7 on the same route lowers that
/// to less than this, since both ends have it. A delay that is longer all the same costs a tail
/// loss probe first, which is one small segment and no loss of speed, and then makes the time-out
/// longer by itself (RFC 6298).
const LEAST_RTO: u32 = 50;

/// `GSO_MAX_SEGS` of Linux.
const MOST_SEGMENTS: u32 = 65_535;

impl IlnpInterface {
    /// The MTU that leaves room for the Nonce on every one of these links.
    pub fn mtu(links: impl IntoIterator<Item = u32>) -> u32 {
        let link = links.into_iter().min().unwrap_or(ETHERNET_MTU);
        link.saturating_sub(NONCE).max(LEAST_MTU)
    }

    /// How many segments a packet may stand for.
    ///
    /// A Linux router that forwards a packet before it is segmented reads TCP's header length from the
    /// ninth octet of what follows the option's first four. Behind a 32-bit Nonce that is a sequence
    /// number, and some packets would seem too big for every link. 96-bit Nonces hold a harmless
    /// value there.
    const fn most_segments(&self) -> u32 {
        match self.nonce_length {
            NonceLength::Short => 1,
            NonceLength::Long => MOST_SEGMENTS,
        }
    }

    /// The address that it bears.
    pub fn handle(&self) -> Ipv6Addr {
        self.handle_prefix.address(Handle::new(self.nid))
    }

    /// Sets the interface up: the handle as its only address, no address of the kernel's own, no
    /// Router Advertisements, no queue, and the routes of all handle prefixes. While the interface is
    /// down those prefixes are unreachable, so that no handle leaks to a router.
    ///
    /// # Errors
    /// [`KernelError::NoInterface`] when the device does not exist, [`KernelError::Request`] and
    /// [`KernelError::Sysctl`].
    pub async fn configure(&self, netlink: &Netlink, mtu: u32) -> Result<(), KernelError> {
        let index = netlink.interface(&self.name).await?;
        // Before the interface comes up. 1 is "none": no link-local address.
        for (setting, value) in [
            ("disable_ipv6", "0"),
            ("accept_ra", "0"),
            ("autoconf", "0"),
            ("router_solicitations", "0"),
            ("addr_gen_mode", "1"),
        ] {
            sysctl::write(&self.name, setting, value)?;
        }
        netlink.set_noqueue(index).await?;
        let segments = self.most_segments();
        netlink.set_most_segments(index, segments).await?;
        netlink.set_up(index, mtu).await?;
        let handle = self.handle();
        netlink.add_address(index, handle, 128).await?;
        for alias in 0..HandlePrefix::ALIASES {
            let prefix = self.handle_prefix.alias(alias);
            netlink.add_unreachable_route(prefix).await?;
            netlink.add_route(prefix, index, handle, LEAST_RTO).await?;
        }
        Ok(())
    }

    /// Changes the MTU.
    ///
    /// # Errors
    /// [`KernelError::NoInterface`] and [`KernelError::Request`].
    pub async fn set_mtu(&self, netlink: &Netlink, mtu: u32) -> Result<(), KernelError> {
        let index = netlink.interface(&self.name).await?;
        netlink.set_up(index, mtu).await
    }

    /// Takes the address and the routes away. The device stays: it is the data path's.
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when there is nothing to take away.
    pub async fn clean_up(&self, netlink: &Netlink) -> Result<(), KernelError> {
        for alias in 0..HandlePrefix::ALIASES {
            let prefix = self.handle_prefix.alias(alias);
            netlink.remove_unreachable_route(prefix).await?;
        }
        match netlink.interface(&self.name).await {
            Ok(index) => {
                for alias in 0..HandlePrefix::ALIASES {
                    let prefix = self.handle_prefix.alias(alias);
                    netlink.remove_route(prefix, index).await?;
                }
                let handle = self.handle();
                netlink.remove_address(index, handle, 128).await
            }
            Err(KernelError::NoInterface { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtu_leaves_room_for_the_nonce_on_the_narrowest_link() {
        assert_eq!(IlnpInterface::mtu([9000, 1500]), 1484);
        assert_eq!(IlnpInterface::mtu([]), 1484);
        assert_eq!(IlnpInterface::mtu([1280]), 1280);
        assert_eq!(IlnpInterface::mtu([0]), 1280);
    }
}
