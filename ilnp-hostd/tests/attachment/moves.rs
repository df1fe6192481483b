//! Moves between sites.
#![expect(clippy::print_stdout, reason = "the figures are for people")]

use std::time::{Duration, Instant};

use ilnp_core::id::Locator;
use ilnp_core::node::{LinkEvent, LocalLocator, LocatorHealth};
use ilnp_hostd::attachment::{self, AttachmentEvent, Attachments};

use super::PATIENCE;
use super::site::{Host, Site};
use super::watch::Watch;

pub(super) const A: &str = "2001:db8:a::/64";
pub(super) const B: &str = "2001:db8:b::/64";
const SYSCTLS: [&str; 2] = [
    "net.ipv6.conf.eth0.optimistic_dad",
    "net.ipv6.conf.eth0.use_optimistic",
];

#[test]
fn token_makes_the_locator_and_stop_takes_it_back() {
    let site = Site::new("a", "2001:db8:a::", "fe80::1");
    let host = Host::new(&site);
    host.settle();
    let show = || {
        let links = host.namespace.ip("-6 -details address show dev eth0");
        let routes = host.namespace.ip("-6 route show table all");
        let token = host.namespace.ip("token get dev eth0");
        let sysctls = host.namespace.run("sysctl", &SYSCTLS);
        [links, routes, token, sysctls].map(|text| steady(&text))
    };
    let before = show();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        let found = locators_that(&mut attachments, "the Locator", only(A)).await;
        assert_eq!(found[0].router, Some("fe80::1".parse().unwrap()));
        assert_eq!(found[0].mtu, 1500);
        assert!(found[0].valid_until.is_some());
        let addresses = host.namespace.ip("-6 address show");
        assert!(
            addresses.contains("2001:db8:a:0:214:4fff:fe20:ee64/64"),
            "{addresses}"
        );
        assert!(
            addresses.contains("fd69:6c6e:7000:2627:214:4fff:fe20:ee64/128"),
            "{addresses}"
        );
        // What was there stays: classic sessions are bound to it.
        for line in before[0].lines().filter(|line| line.starts_with("inet6")) {
            assert!(steady(&addresses).contains(line), "{line}\n{addresses}");
        }
        attachments.stop().await.unwrap();
    });
    assert_eq!(show(), before);
    assert_eq!(std::fs::read_dir(host.state.path()).unwrap().count(), 0);
}

#[test]
fn replugging_into_another_site_moves_the_host() {
    replugging("fe80::a", "fe80::b");
}

#[test]
fn replugging_is_noticed_where_both_routers_have_one_address() {
    replugging("fe80::1", "fe80::1");
}

fn replugging(router_a: &str, router_b: &str) {
    let a = Site::new("a", "2001:db8:a::", router_a);
    let b = Site::new("b", "2001:db8:b::", router_b);
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        for (from, to, prefix) in [(&a, &b, B), (&b, &a, A), (&a, &b, B)] {
            host.replug(from, to);
            let plugged = Instant::now();
            let found = locators_that(&mut attachments, "the new Locator", has(prefix)).await;
            println!(
                "{prefix} works {:?} after the cable was in",
                plugged.elapsed()
            );
            if !only(prefix)(&found) {
                locators_that(&mut attachments, "the new Locator alone", only(prefix)).await;
            }
            println!("{prefix} is alone after {:?}", plugged.elapsed());
        }
        // Nothing leads to the old site any more; the address stays for what is bound to it.
        eventually("routes to the new site alone", || {
            let routes = host.namespace.ip("-6 route show dev eth0");
            routes.matches("default").count() == 1 && !routes.contains("2001:db8:a::/64")
        })
        .await;
        eventually("a deprecated address of the old site", || {
            let addresses = host.namespace.ip("-6 address show dev eth0");
            let mut lines = addresses.lines();
            let old = lines.find(|line| line.contains("2001:db8:a:0:214:"));
            old.is_some_and(|line| line.contains("deprecated"))
        })
        .await;
        attachments.stop().await.unwrap();
        // The kernel forms its own address of the site that the host is at now.
        eventually("a classic address", || {
            let addresses = host.namespace.ip("-6 address show dev eth0");
            addresses.contains("2001:db8:b:") && !addresses.contains("fe20:ee64")
        })
        .await;
    });
}

#[test]
fn a_new_daemon_takes_over_and_cleans_up_after_a_crashed_one() {
    let site = Site::new("a", "2001:db8:a::", "fe80::1");
    let host = Host::new(&site);
    host.settle();
    let before = host.namespace.run("sysctl", &SYSCTLS);
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "the Locator", only(A)).await;
        drop(attachments);
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        let first = locators_that(&mut attachments, "any set", |_| true).await;
        assert!(
            only(A)(&first),
            "the address was lost over a restart: {first:?}"
        );
        drop(attachments);
        attachment::clean_up(&host.settings()).await.unwrap();
    });
    assert_eq!(host.namespace.run("sysctl", &SYSCTLS), before);
    let addresses = host.namespace.ip("-6 address show");
    assert!(!addresses.contains("214:4fff:fe20:ee64"), "{addresses}");
    assert_eq!(std::fs::read_dir(host.state.path()).unwrap().count(), 0);
}

#[test]
fn two_routers_on_one_link_give_two_locators_until_one_dies() {
    let mut a = Site::new("a", "2001:db8:a::", "fe80::a");
    let b = Site::new("b", "2001:db8:b::", "fe80::b");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        a.join(&b);
        locators_that(&mut attachments, "both", |all| has(A)(all) && has(B)(all)).await;
        // Longer than the verdict on a router that does not answer.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(
            attachments.events.is_empty(),
            "{:?}",
            attachments.events.recv().await
        );
        a.silence();
        attachments.hint();
        locators_that(&mut attachments, "B alone", only(B)).await;
        attachments.stop().await.unwrap();
    });
}

#[test]
fn a_withdrawn_prefix_leaves() {
    let mut a = Site::new("a", "2001:db8:a::", "fe80::a");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        a.advertise(
            "prefix 2001:db8:a::/64 { AdvValidLifetime 0; AdvPreferredLifetime 0; };
             prefix 2001:db8:b::/64 { AdvValidLifetime 300; AdvPreferredLifetime 200; };",
        );
        locators_that(&mut attachments, "the other prefix alone", only(B)).await;
        attachments.stop().await.unwrap();
    });
}

#[test]
fn a_locator_under_which_another_node_has_our_identifier_is_not_used() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let b = Site::new("b", "2001:db8:b::", "fe80::b");
    b.namespace
        .ip("address add 2001:db8:b:0:214:4fff:fe20:ee64/64 dev rtr nodad");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        host.replug(&a, &b);
        locators_that(&mut attachments, "no Locator", <[_]>::is_empty).await;
        // The kernel tries again with each advertisement.
        for _ in 0..3 {
            attachments.hint();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        let event = attachments.events.try_recv();
        assert!(
            event.is_err(),
            "used after another node defended it: {event:?}"
        );
        attachments.stop().await.unwrap();
    });
}

#[test]
fn without_a_carrier_the_last_locator_leaves_and_goes() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        a.namespace.ip("link set hport down");
        locators_that(
            &mut attachments,
            "a leaving Locator",
            |all| matches!(all, [one] if one.health == LocatorHealth::Leaving),
        )
        .await;
        locators_that(&mut attachments, "no Locator", <[_]>::is_empty).await;
        a.namespace.ip("link set hport up");
        locators_that(&mut attachments, "site A again", only(A)).await;
        attachments.stop().await.unwrap();
    });
}

#[test]
fn a_router_that_the_kernel_finds_dead_is_left() {
    let mut a = Site::new("a", "2001:db8:a::", "fe80::a");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        a.silence();
        // What the kernel comes to by itself after seconds, when traffic goes unanswered.
        host.namespace
            .ip("neighbour replace fe80::a dev eth0 nud failed");
        locators_that(
            &mut attachments,
            "a leaving Locator",
            |all| matches!(all, [one] if one.health == LocatorHealth::Leaving),
        )
        .await;
        attachments.stop().await.unwrap();
    });
}

#[test]
fn a_static_locator_works_where_no_advertisement_is_taken() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let host = Host::new(&a);
    host.settle();
    host.namespace
        .run("sysctl", &["-qw", "net.ipv6.conf.eth0.accept_ra=0"]);
    let address = "2001:db8:a:0:214:4fff:fe20:ee64/64";
    host.namespace
        .ip(&format!("address add {address} dev eth0 nodad"));
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "the static Locator", only(A)).await;
        attachments.stop().await.unwrap();
    });
    let addresses = host.namespace.ip("-6 address show dev eth0");
    assert!(addresses.contains(address), "{addresses}");
}

#[test]
fn the_interface_of_the_handles_follows_the_links_mtu_and_mends_itself() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let host = Host::new(&a);
    host.settle();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        host.namespace.ip("link set eth0 mtu 1400");
        locators_that(
            &mut attachments,
            "the new MTU",
            |all| matches!(all, [one] if one.mtu == 1400),
        )
        .await;
        let show = || host.namespace.ip("address show dev ilnp0");
        eventually("the MTU less the Nonce", || show().contains("mtu 1384")).await;
        host.namespace.ip("link set ilnp0 down");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!show().contains(",UP"), "an administrator's order is kept");
        host.namespace.ip("link set ilnp0 up");
        let handle = "fd69:6c6e:7000:2627:214:4fff:fe20:ee64/128";
        eventually("the handle", || show().contains(handle)).await;
        attachments.stop().await.unwrap();
    });
}

#[test]
fn addresses_from_before_the_daemon_live_on() {
    let mut a = Site::new("a", "2001:db8:a::", "fe80::a");
    a.advertise("prefix 2001:db8:a::/64 { AdvValidLifetime 6; AdvPreferredLifetime 5; };");
    let host = Host::new(&a);
    host.settle();
    let first = || {
        let addresses = host
            .namespace
            .ip("-6 -oneline address show dev eth0 scope global");
        let words = addresses
            .lines()
            .filter(|line| !line.contains(":214:4fff:fe20:ee64"))
            .filter_map(|line| line.split_whitespace().nth(3));
        words.map(String::from).next()
    };
    let before = first().unwrap();
    host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        // Twice the lifetime, with an advertisement each second.
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            attachments.hint();
        }
        assert_eq!(first(), Some(before));
        attachments.stop().await.unwrap();
    });
}

#[test]
fn an_announced_migration_is_followed_by_a_solicitation_within_5_ms() {
    let a = Site::new("a", "2001:db8:a::", "fe80::a");
    let host = Host::new(&a);
    host.settle();
    let mut delays: Vec<_> = host.namespace.enter(async || {
        let mut attachments = Attachments::start(host.settings()).await.unwrap();
        locators_that(&mut attachments, "site A", only(A)).await;
        let index = host.namespace.run("cat", &["/sys/class/net/eth0/ifindex"]);
        let index = index.trim().parse().unwrap();
        let mut delays = Vec::new();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let watch = Watch::open(index);
            watch.announce();
            delays.push(
                tokio::task::spawn_blocking(move || watch.delay())
                    .await
                    .unwrap(),
            );
        }
        attachments.stop().await.unwrap();
        delays
    });
    delays.sort();
    println!("announcement to solicitation: {delays:?}");
    // The median, because other programs may take the processor away at any time.
    assert!(
        delays[delays.len() / 2] < Duration::from_millis(5),
        "{delays:?}"
    );
}

/// Text without the lifetimes that count down, and the TUN device, which is not the attachment's.
fn steady(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains("valid_lft") && !line.contains("ilnp0"))
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let steady: Vec<_> = words
                .iter()
                .filter(|word| !word.ends_with("sec"))
                .copied()
                .collect();
            steady.join(" ") + "\n"
        })
        .collect()
}

/// Reads events until one tells of Locators that fit.
pub(super) async fn locators_that(
    attachments: &mut Attachments,
    what: &str,
    mut fits: impl FnMut(&[LocalLocator]) -> bool,
) -> Vec<LocalLocator> {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let event = attachments.events.recv().await.expect("the task has ended");
            seen.push(event.clone());
            if let AttachmentEvent::Link(LinkEvent::Locators(locators)) = event
                && fits(&locators)
            {
                return locators;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.unwrap_or_else(|_| panic!("waited in vain for {what}; seen: {seen:#?}"))
}

/// Waits for what no event tells.
pub(super) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the only Locator is this one, and works.
pub(super) fn only(prefix: &str) -> impl Fn(&[LocalLocator]) -> bool + use<> {
    let prefix: Locator = prefix.parse().unwrap();
    move |locators| matches!(locators, [one] if one.locator == prefix && one.health == LocatorHealth::Working)
}

/// Whether this Locator is there and works.
pub(super) fn has(prefix: &str) -> impl Fn(&[LocalLocator]) -> bool + use<> {
    let prefix: Locator = prefix.parse().unwrap();
    move |locators| {
        locators
            .iter()
            .any(|one| one.locator == prefix && one.health == LocatorHealth::Working)
    }
}
