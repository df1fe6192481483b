//! Changes of interfaces.

use std::net::Ipv6Addr;

use futures_util::{StreamExt as _, TryStreamExt as _};
use ilnp_core::id::Nid;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{AfSpecInet6, AfSpecUnspec, LinkAttribute, LinkMessage};
use netlink_packet_route::neighbour::NeighbourState;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use rtnetlink::LinkUnspec;

use super::netlink::{asked, asked_to_remove, io_error};
use super::{KernelError, Link, Netlink};

impl Netlink {
    /// Makes the kernel form the addresses of an interface from this identifier, as
    /// `ip token set ::NID dev NAME` does; `None` takes it back and removes the addresses that were
    /// formed so. Other addresses stay.
    ///
    /// # Errors
    /// [`KernelError::Request`]; with `EINVAL` when the kernel does not accept Router Advertisements
    /// on the interface or may not solicit them.
    pub async fn set_token(&self, interface: u32, nid: Option<Nid>) -> Result<(), KernelError> {
        let token = nid.map_or(Ipv6Addr::UNSPECIFIED, |nid| {
            Ipv6Addr::from_bits(nid.bits().into())
        });
        let mut message = LinkMessage::default();
        message.header.index = interface;
        message
            .attributes
            .push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(
                vec![AfSpecInet6::Token(token)],
            )]));
        let result = self.handle.link().set(message).execute().await;
        asked(result, || {
            format!("set the address token of interface {interface}")
        })
    }

    /// The address token of an interface.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn token(&self, interface: u32) -> Result<Option<Nid>, KernelError> {
        let mut found = self.handle.link().get().match_index(interface).execute();
        match found.try_next().await {
            Ok(message) => Ok(message.and_then(|message| Link::from_message(&message)?.token)),
            Err(error) => Err(KernelError::Request {
                what: format!("look up interface {interface}"),
                source: io_error(error),
            }),
        }
    }

    /// Brings an interface up with this MTU.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn set_up(&self, interface: u32, mtu: u32) -> Result<(), KernelError> {
        let message = LinkUnspec::new_with_index(interface).mtu(mtu).up().build();
        let result = self.handle.link().set(message).execute().await;
        asked(result, || {
            format!("bring interface {interface} up with an MTU of {mtu}")
        })
    }

    /// Sets how many segments a packet may stand for that is sent through an interface, as
    /// `ip link set NAME gso_max_segs COUNT` does. With 1 the kernel's TCP segments by itself.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn set_most_segments(&self, interface: u32, count: u32) -> Result<(), KernelError> {
        let mut message = LinkMessage::default();
        message.header.index = interface;
        message.attributes.push(LinkAttribute::GsoMaxSegs(count));
        let result = self.handle.link().set(message).execute().await;
        asked(result, || {
            format!("set how many segments a packet of interface {interface} has")
        })
    }

    /// Takes the queue of an interface away: what is sent goes to the driver at once.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn set_noqueue(&self, interface: u32) -> Result<(), KernelError> {
        let refused = |source| KernelError::Request {
            what: format!("take the queue of interface {interface} away"),
            source,
        };
        let index = i32::try_from(interface)
            .map_err(|_| refused(std::io::Error::from_raw_os_error(libc::ENODEV)))?;
        let mut message = TcMessage::with_index(index);
        message.header.parent = TcHandle::ROOT;
        message.attributes.push(TcAttribute::Kind("noqueue".into()));
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(message));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        let mut answers = self
            .handle
            .clone()
            .request(request)
            .map_err(|error| refused(io_error(error)))?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(refused(error.to_io()));
            }
        }
        Ok(())
    }

    /// Tells the kernel the MAC address of a neighbour, to be confirmed when it is used.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn set_neighbour(
        &self,
        interface: u32,
        address: Ipv6Addr,
        mac: [u8; 6],
    ) -> Result<(), KernelError> {
        let neighbours = self.handle.neighbours();
        let request = neighbours
            .add(interface, address.into())
            .link_layer_address(&mac)
            .state(NeighbourState::Stale)
            .replace();
        asked(request.execute().await, || {
            format!("tell the MAC address of neighbour {address} of interface {interface}")
        })
    }

    /// Forgets what the kernel knows of a neighbour.
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when there is nothing to forget.
    pub async fn remove_neighbour(
        &self,
        interface: u32,
        address: Ipv6Addr,
    ) -> Result<(), KernelError> {
        let neighbours = self.handle.neighbours();
        let message = neighbours
            .add(interface, address.into())
            .message_mut()
            .clone();
        let result = neighbours.del(message).execute().await;
        asked_to_remove(result, || {
            format!("remove neighbour {address} of interface {interface}")
        })
    }
}
