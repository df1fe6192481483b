//! Changes of addresses.

use std::net::Ipv6Addr;
use std::time::Duration;

use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::AddressMessageBuilder;

use super::netlink::{asked, asked_to_remove};
use super::{Address, KernelError, Netlink};

/// New lifetimes for an address that has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedLifetime {
    /// From now; zero deprecates the address: sessions that are bound to it go on, new ones use
    /// another.
    pub preferred: Duration,
    /// From now, at least a second.
    pub valid: Duration,
}

impl Netlink {
    /// Gives an interface an address that no check for duplicates and no prefix route goes with.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn add_address(
        &self,
        interface: u32,
        address: Ipv6Addr,
        prefix_length: u8,
    ) -> Result<(), KernelError> {
        let mut request = self
            .handle
            .address()
            .add(interface, address.into(), prefix_length)
            .replace();
        let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
        set_flags(request.message_mut(), flags);
        asked(request.execute().await, || {
            format!("add address {address} to interface {interface}")
        })
    }

    /// Gives an interface an address that a router could have advertised: it may be used while its
    /// uniqueness is being checked (RFC 4429), and advertisements prolong it.
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when it is there already.
    pub async fn form_address(
        &self,
        interface: u32,
        address: Ipv6Addr,
        valid: Duration,
    ) -> Result<(), KernelError> {
        let mut request = self.handle.address().add(interface, address.into(), 64);
        let message = request.message_mut();
        set_flags(
            message,
            AddressFlags::Optimistic | AddressFlags::Noprefixroute,
        );
        let mut cache = CacheInfo::default();
        cache.ifa_valid = seconds(valid).max(1);
        cache.ifa_preferred = cache.ifa_valid;
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        match asked(request.execute().await, || {
            format!("form address {address} on interface {interface}")
        }) {
            Err(KernelError::Request { source, .. })
                if source.raw_os_error() == Some(libc::EEXIST) =>
            {
                Ok(())
            }
            formed => formed,
        }
    }

    /// Gives an interface an address that will be needed at another place: it is deprecated, so that
    /// nothing is sent from it, and not checked for duplicates on a link that it is not on.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn await_address(
        &self,
        interface: u32,
        address: Ipv6Addr,
        valid: Duration,
    ) -> Result<(), KernelError> {
        let mut request = self
            .handle
            .address()
            .add(interface, address.into(), 64)
            .replace();
        let message = request.message_mut();
        set_flags(message, AddressFlags::Nodad | AddressFlags::Noprefixroute);
        let mut cache = CacheInfo::default();
        cache.ifa_valid = seconds(valid).max(1);
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        asked(request.execute().await, || {
            format!("prepare address {address} on interface {interface}")
        })
    }

    /// Changes the lifetimes of an address.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn change_lifetime(
        &self,
        address: &Address,
        lifetime: ChangedLifetime,
    ) -> Result<(), KernelError> {
        let mut request = self
            .handle
            .address()
            .add(
                address.interface,
                address.address.into(),
                address.prefix_length,
            )
            .replace();
        // The route to the prefix is another matter: without this flag it would get the lifetime too.
        let mut flags = AddressFlags::Noprefixroute;
        flags.set(AddressFlags::Managetempaddr, address.makes_temporary);
        let message = request.message_mut();
        set_flags(message, flags);
        let mut cache = CacheInfo::default();
        cache.ifa_valid = seconds(lifetime.valid).max(1);
        cache.ifa_preferred = seconds(lifetime.preferred).min(cache.ifa_valid);
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        if address.advertised {
            let origin = AddressProtocol::RouterAnnouncement;
            message.attributes.push(AddressAttribute::Protocol(origin));
        }
        asked(request.execute().await, || {
            format!(
                "change the lifetime of {} on interface {}",
                address.address, address.interface
            )
        })
    }

    /// Removes an address.
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when it is gone already.
    pub async fn remove_address(
        &self,
        interface: u32,
        address: Ipv6Addr,
        prefix_length: u8,
    ) -> Result<(), KernelError> {
        let message = AddressMessageBuilder::<Ipv6Addr>::new()
            .index(interface)
            .address(address, prefix_length)
            .build();
        let result = self.handle.address().del(message).execute().await;
        asked_to_remove(result, || {
            format!("remove address {address} from interface {interface}")
        })
    }
}

/// Sets the flags of a request, in the header those that it has room for.
fn set_flags(message: &mut AddressMessage, flags: AddressFlags) {
    let [low, ..] = flags.bits().to_le_bytes();
    message.header.flags = AddressHeaderFlags::from_bits_retain(low);
    message.attributes.push(AddressAttribute::Flags(flags));
}

/// Whole seconds, below the value that means for ever.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).map_or(u32::MAX - 1, |seconds| seconds.min(u32::MAX - 1))
}
