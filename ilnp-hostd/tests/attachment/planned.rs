//! Moves that were told in advance.

use std::time::{Duration, Instant};

use ilnp_hostd::attachment::{Attachments, Plan};

use super::moves::{A, B, eventually, has, locators_that, only};
use super::site::{Host, Site};

const FUTURE: &str = "2001:db8:b:0:214:4fff:fe20:ee64";

fn plan(b: &Site) -> Plan {
    let link = b.namespace.ip("-o link show rtr");
    let mac = link.split("link/ether ").nth(1).unwrap();
    let octets: Vec<_> = mac[..17]
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect();
    Plan {
        locators: vec![B.parse().unwrap()],
        router: "fe80::b".parse().unwrap(),
        router_mac: Some(octets.try_into().unwrap()),
    }
}

/// The address and the route that were put in place.
fn in_place(host: &Host) -> (bool, bool) {
    let addresses = host.namespace.ip("-6 address show dev eth0");
    let line = addresses.lines().find(|line| line.contains(FUTURE));
    if let Some(line) = line {
        assert!(line.contains("deprecated"), "{addresses}");
        assert!(!line.contains("tentative"), "{addresses}");
    }
    let routes = host.namespace.ip("-6 route show default");
    let route = routes
        .lines()
        .any(|line| line.contains("via fe80::b") && line.contains("metric 65535"));
    (line.is_some(), route)
}

#[test]
fn everything_is_put_in_place_and_taken_back_when_the_move_does_not_happen() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let b = Site::new("b", "2001:db8:b::", "fe80::b");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        let future = attachments.planner().prepare(plan(&b)).await.unwrap();
        assert_eq!(future.len(), 1);
        eventually("everything in place", || in_place(&host) == (true, true)).await;
        attachments.stay();
        eventually("nothing left", || in_place(&host) == (false, false)).await;
        // As killed: the next daemon knows nothing of the plan.
        attachments.planner().prepare(plan(&b)).await.unwrap();
        eventually("everything in place", || in_place(&host) == (true, true)).await;
        drop(attachments);
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        assert_eq!(in_place(&host), (false, false));
        let first = locators_that(&mut attachments, "any set", |_| true).await;
        assert!(only(A)(&first), "{first:?}");
        // Nothing was told of the other place.
        tokio::time::sleep(Duration::from_millis(200)).await;
        attachments.planner().prepare(plan(&b)).await.unwrap();
        eventually("everything in place", || in_place(&host) == (true, true)).await;
        assert!(
            attachments.events.is_empty(),
            "{:?}",
            attachments.events.recv().await
        );
        attachments.stop().await.unwrap();
    });
    let addresses = host.namespace.ip("-6 address show");
    assert!(!addresses.contains("214:4fff:fe20:ee64"), "{addresses}");
    assert_eq!(in_place(&host), (false, false));
    assert_eq!(std::fs::read_dir(host.state.path()).unwrap().count(), 0);
}

#[test]
fn a_planned_place_is_used_before_any_router_has_spoken() {
    let mut a = Site::new("a", "2001:db8:a::", "fe80::a");
    let mut b = Site::new("b", "2001:db8:b::", "fe80::b");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        attachments.planner().prepare(plan(&b)).await.unwrap();
        eventually("everything in place", || in_place(&host) == (true, true)).await;
        // Nobody advertises anything there for now.
        b.silence_advertisements();
        host.replug(&a, &b);
        eventually("a carrier", || {
            host.namespace.ip("link show eth0").contains("LOWER_UP")
        })
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let arrived = Instant::now();
        attachments.planner().arrived().await;
        let found = locators_that(&mut attachments, "the new Locator", only(B)).await;
        println!("told {:?} after the arrival", arrived.elapsed());
        assert_eq!(found[0].router, Some("fe80::b".parse().unwrap()));
        // Classic traffic finds its way, too.
        eventually("the way to the router of B", || {
            let route = host.namespace.ip("-6 route get 2001:db8:ffff::1");
            route.contains("via fe80::b") && route.contains("src 2001:db8:b:")
        })
        .await;
        host.namespace.run("ping", &["-c1", "-W2", "2001:db8:b::1"]);
        b.advertise("prefix 2001:db8:b::/64 { AdvValidLifetime 300; AdvPreferredLifetime 200; };");
        attachments.hint();
        eventually("the kernel's own route", || {
            let routes = host.namespace.ip("-6 route show default");
            routes.contains("proto ra") && !routes.contains("65535")
        })
        .await;
        assert!(has(B)(&found));
        let addresses = host.namespace.ip("-6 address show dev eth0");
        let old = addresses
            .lines()
            .find(|line| line.contains("2001:db8:a:0:214:"));
        assert!(
            old.is_some_and(|line| line.contains("deprecated")),
            "{addresses}"
        );
        attachments.stop().await.unwrap();
    });
    a.silence();
}

#[test]
fn a_router_that_says_otherwise_is_right() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let b = Site::new("b", "2001:db8:b::", "fe80::b");
    let c = Site::new("c", "2001:db8:c::", "fe80::b");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        attachments.planner().prepare(plan(&b)).await.unwrap();
        eventually("everything in place", || in_place(&host) == (true, true)).await;
        host.replug(&a, &c);
        attachments.planner().arrived().await;
        locators_that(&mut attachments, "site C", only("2001:db8:c::/64")).await;
        eventually("nothing left", || {
            let addresses = host.namespace.ip("-6 address show dev eth0");
            let routes = host.namespace.ip("-6 route show default");
            !addresses.contains(FUTURE) && !routes.contains("65535")
        })
        .await;
        attachments.stop().await.unwrap();
    });
}
