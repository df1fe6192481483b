//! The interface of the handles.

use ilnp_core::id::HandlePrefix;
use ilnp_core::wire::NonceLength;
use ilnp_hostd::kernel::ilnp_interface::IlnpInterface;
use ilnp_hostd::kernel::{KernelError, Netlink};

use super::namespace::Namespace;

const HANDLE: &str = "fd69:6c6e:7000:2627:214:4fff:fe20:ee64";

fn interface() -> IlnpInterface {
    IlnpInterface {
        name: "ilnp0".into(),
        nid: "0214:4fff:fe20:ee64".parse().unwrap(),
        handle_prefix: HandlePrefix::DEFAULT,
        nonce_length: NonceLength::Long,
    }
}

#[test]
fn is_set_up_twice_as_once_and_cleaned_up_without_a_trace() {
    let host = Namespace::new("ilnp0");
    host.ip("link set lo up");
    host.ip("tuntap add ilnp0 mode tun");
    let routes = || host.ip("-6 route show table all");
    let before = routes();
    host.enter(async || {
        let netlink = Netlink::open().unwrap();
        interface().configure(&netlink, 1484).await.unwrap();
        let once = (host.ip("address show dev ilnp0"), routes());
        interface().configure(&netlink, 1484).await.unwrap();
        assert_eq!((host.ip("address show dev ilnp0"), routes()), once);
        let (addresses, routes) = once;
        assert_eq!(addresses.matches("inet6").count(), 1, "{addresses}");
        for part in [HANDLE, "mtu 1484", "qdisc noqueue"] {
            assert!(addresses.contains(part), "{part} is not in {addresses}");
        }
        for third in ["7000:2627", "7001:2626", "7002:2625", "7003:2624"] {
            let route = format!("fd69:6c6e:{third}::/64 dev ilnp0");
            let route = routes.lines().find(|line| line.contains(&route));
            let route = route.unwrap_or_else(|| panic!("no such route in {routes}"));
            assert!(route.contains("rto_min lock 50ms"), "{route}");
        }
        let way = host.ip("-6 route get fd69:6c6e:7002:2625::1");
        assert!(
            way.contains(&format!("dev ilnp0 proto static src {HANDLE}")),
            "{way}"
        );
        interface().clean_up(&netlink).await.unwrap();
        interface().clean_up(&netlink).await.unwrap();
    });
    host.ip("link del ilnp0");
    assert_eq!(routes(), before);
}

#[test]
fn tcp_segments_by_itself_behind_short_nonces() {
    let host = Namespace::new("segments");
    host.ip("link set lo up");
    host.ip("tuntap add ilnp0 mode tun");
    host.enter(async || {
        let netlink = Netlink::open().unwrap();
        let link = || host.ip("-details link show dev ilnp0");
        let short = IlnpInterface {
            nonce_length: NonceLength::Short,
            ..interface()
        };
        short.configure(&netlink, 1484).await.unwrap();
        assert!(link().contains("gso_max_segs 1 "), "{}", link());
        interface().configure(&netlink, 1484).await.unwrap();
        assert!(link().contains("gso_max_segs 65535 "), "{}", link());
    });
}

#[test]
fn handles_go_nowhere_while_it_is_down() {
    let host = Namespace::new("down");
    host.ip("link set lo up");
    host.ip("tuntap add ilnp0 mode tun");
    host.ip("link add eth0 type veth peer name other");
    host.ip("link set eth0 up");
    host.ip("-6 route add default dev eth0");
    host.enter(async || {
        let netlink = Netlink::open().unwrap();
        interface().configure(&netlink, 1484).await.unwrap();
        host.ip("link set ilnp0 down");
        let way = host.ip_error("-6 route get fd69:6c6e:7000:2627::1");
        assert!(way.contains("No route to host"), "{way}");
    });
}

#[test]
fn a_missing_device_is_named() {
    let host = Namespace::new("missing");
    host.enter(async || {
        let netlink = Netlink::open().unwrap();
        let error = interface().configure(&netlink, 1484).await.unwrap_err();
        assert!(matches!(&error, KernelError::NoInterface { name } if name == "ilnp0"));
    });
}
