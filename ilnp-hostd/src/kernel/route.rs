//! Changes of routes.

use std::net::Ipv6Addr;

use ilnp_core::id::Locator;
use netlink_packet_route::route::{
    RouteAttribute, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::RouteMessageBuilder;

use super::netlink::{asked, asked_to_remove};
use super::{KernelError, Netlink};

/// The metric of routes that only count when no other is there: an interface's own have 256 and
/// those to routers 1024.
const LAST_RESORT: u32 = 65535;

/// `RTAX_RTO_MIN` of Linux. The kernel heeds only a locked one.
const RTO_MIN: u32 = 13;

impl Netlink {
    /// Routes a prefix into an interface, with this address as the source of what is sent there.
    /// TCP retransmits there `least_rto` milliseconds after a round-trip time at the soonest.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn add_route(
        &self,
        prefix: Locator,
        interface: u32,
        source: Ipv6Addr,
        least_rto: u32,
    ) -> Result<(), KernelError> {
        let mut route = to(prefix)
            .output_interface(interface)
            .pref_source(source)
            .build();
        route.attributes.push(RouteAttribute::Metrics(vec![
            RouteMetric::Lock(1 << RTO_MIN),
            RouteMetric::RtoMin(least_rto),
        ]));
        let result = self.handle.route().add(route).replace().execute().await;
        asked(result, || {
            format!("route {prefix} to interface {interface}")
        })
    }

    /// Takes back [`add_route`](Self::add_route).
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when the route is gone already.
    pub async fn remove_route(&self, prefix: Locator, interface: u32) -> Result<(), KernelError> {
        let route = to(prefix).output_interface(interface).build();
        let result = self.handle.route().del(route).execute().await;
        asked_to_remove(result, || {
            format!("remove the route of {prefix} to interface {interface}")
        })
    }

    /// Makes a prefix unreachable while no other route to it is there, so that what is sent to it
    /// never follows a default route.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn add_unreachable_route(&self, prefix: Locator) -> Result<(), KernelError> {
        let result = self
            .handle
            .route()
            .add(unreachable(prefix))
            .replace()
            .execute()
            .await;
        asked(result, || {
            format!("make {prefix} unreachable by other ways")
        })
    }

    /// Takes back [`add_unreachable_route`](Self::add_unreachable_route).
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when the route is gone already.
    pub async fn remove_unreachable_route(&self, prefix: Locator) -> Result<(), KernelError> {
        let result = self.handle.route().del(unreachable(prefix)).execute().await;
        asked_to_remove(result, || {
            format!("remove the unreachable route of {prefix}")
        })
    }

    /// Removes the default route that a router advertised.
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when the route is gone already.
    pub async fn remove_default_route(
        &self,
        interface: u32,
        router: Ipv6Addr,
    ) -> Result<(), KernelError> {
        let route = RouteMessageBuilder::<Ipv6Addr>::new()
            .protocol(RouteProtocol::Ra)
            .gateway(router)
            .output_interface(interface)
            .build();
        let result = self.handle.route().del(route).execute().await;
        asked_to_remove(result, || {
            format!("remove the default route by {router} on interface {interface}")
        })
    }

    /// Adds a default route that counts when there is no other.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn add_last_route(
        &self,
        interface: u32,
        router: Ipv6Addr,
    ) -> Result<(), KernelError> {
        let route = last_route(interface, router);
        let result = self.handle.route().add(route).replace().execute().await;
        asked(result, || {
            format!("prepare the default route by {router} on interface {interface}")
        })
    }

    /// Takes back [`add_last_route`](Self::add_last_route).
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when the route is gone already.
    pub async fn remove_last_route(
        &self,
        interface: u32,
        router: Ipv6Addr,
    ) -> Result<(), KernelError> {
        let route = last_route(interface, router);
        let result = self.handle.route().del(route).execute().await;
        asked_to_remove(result, || {
            format!("remove the prepared default route by {router} on interface {interface}")
        })
    }

    /// Removes the route by which the addresses of an advertised prefix are neighbours.
    ///
    /// # Errors
    /// [`KernelError::Request`]; none when the route is gone already.
    pub async fn remove_on_link_route(
        &self,
        interface: u32,
        prefix: Locator,
    ) -> Result<(), KernelError> {
        let route = to(prefix)
            .protocol(RouteProtocol::Kernel)
            .output_interface(interface)
            .build();
        let result = self.handle.route().del(route).execute().await;
        asked_to_remove(result, || {
            format!("remove the route to {prefix} on interface {interface}")
        })
    }
}

/// A route to a prefix.
fn to(prefix: Locator) -> RouteMessageBuilder<Ipv6Addr> {
    RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(prefix.prefix(), 64)
}

/// The default route that counts when there is no other.
fn last_route(interface: u32, router: Ipv6Addr) -> RouteMessage {
    RouteMessageBuilder::<Ipv6Addr>::new()
        .gateway(router)
        .output_interface(interface)
        .priority(LAST_RESORT)
        .build()
}

/// The route that makes a prefix unreachable.
fn unreachable(prefix: Locator) -> RouteMessage {
    to(prefix)
        .kind(RouteType::Unreachable)
        .scope(RouteScope::Universe)
        .priority(LAST_RESORT)
        .build()
}
