//! The stream of kernel events.

use std::io::Write as _;
use std::time::Duration;

use ilnp_hostd::kernel::{KernelEvent, Monitor, Netlink, Snapshot};

use super::namespace::Namespace;

#[test]
fn tells_the_state_and_then_its_changes() {
    let host = Namespace::new("events");
    host.ip("link set lo up");
    host.ip("link add eth0 type veth peer name other");
    host.enter(async || {
        let netlink = Netlink::open().unwrap();
        let mut monitor = Monitor::open().unwrap();
        let KernelEvent::Snapshot(snapshot) = monitor.next(&netlink).await.unwrap() else {
            panic!("the first event is a snapshot");
        };
        let names: Vec<_> = snapshot
            .links
            .iter()
            .map(|link| link.name.as_str())
            .collect();
        assert_eq!(names, ["lo", "other", "eth0"]);
        assert_eq!(
            snapshot
                .links
                .iter()
                .map(|link| link.ethernet)
                .collect::<Vec<_>>(),
            [false, true, true]
        );
        host.ip("address add 2001:db8::5/64 dev eth0 nodad");
        loop {
            if let KernelEvent::Address(address) = monitor.next(&netlink).await.unwrap() {
                assert_eq!(address.address.to_string(), "2001:db8::5");
                assert!(address.permanent && address.global && address.is_usable());
                break;
            }
        }
        host.ip("link del eth0");
        let gone = async {
            while !matches!(
                monitor.next(&netlink).await.unwrap(),
                KernelEvent::LinkGone { .. }
            ) {}
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .unwrap();
    });
}

#[test]
fn reads_everything_anew_after_more_events_than_fit() {
    let host = Namespace::new("overflow");
    host.ip("link add eth0 type veth peer name other");
    let mut batch = tempfile::NamedTempFile::new().unwrap();
    for n in 0..4_000 {
        let address = format!("2001:db8::{:x}/64 dev eth0 nodad", n % 100 + 1);
        writeln!(batch, "address add {address}\naddress del {address}").unwrap();
    }
    writeln!(batch, "address add 2001:db8::ffff/64 dev eth0 nodad").unwrap();
    host.enter(async || {
        let netlink = Netlink::open().unwrap();
        let mut monitor = Monitor::open().unwrap();
        monitor.next(&netlink).await.unwrap();
        host.ip(&format!("-batch {}", batch.path().display()));
        let mut state: Option<Snapshot> = None;
        while let Ok(event) =
            tokio::time::timeout(Duration::from_millis(300), monitor.next(&netlink)).await
        {
            match event.unwrap() {
                KernelEvent::Snapshot(snapshot) => state = Some(snapshot),
                KernelEvent::Address(address) => state
                    .iter_mut()
                    .for_each(|state| state.addresses.push(address.clone())),
                _ => {}
            }
        }
        let state = state.expect("no snapshot after an overflow");
        let addresses: Vec<_> = state
            .addresses
            .iter()
            .map(|address| address.address.to_string())
            .collect();
        assert_eq!(addresses, ["2001:db8::ffff"]);
    });
}
