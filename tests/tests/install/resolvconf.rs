//! Hosts whose `/etc/resolv.conf` is written by resolvconf, Debian's or openresolv.

use std::fs;
use std::path::Path;

use ilnp_hostd::names::install::{Install, Way, clean_up};

use tests::machine::{Machine, link_to, sh};

use crate::machine::{as_daemon, asked, installation, state_dir, tend, upstream};

fn debian() -> Machine {
    let machine = Machine::with(&["resolvconf"]).unwrap();
    sh("mkdir -p /run/resolvconf/interface && touch /run/resolvconf/enable-updates").unwrap();
    link_to("/run/resolvconf/resolv.conf").unwrap();
    machine
}

fn openresolv() -> Machine {
    Machine::with(&["openresolv"]).unwrap()
}

/// What a DHCP client or ifupdown does. A hook of a name server that does not run makes it fail
/// after it has done its work.
fn tell(server: &str) {
    sh(&format!(
        "echo nameserver {server} | resolvconf -a eth0.inet6 || true"
    ))
    .unwrap();
}

fn all_its_life(machine: &Machine) {
    tell("2001:db8::53");
    assert_eq!(asked(), ["2001:db8::53"]);
    let mut installation = installation(machine, Install::Auto);
    let tended = tend(&mut installation);
    assert_eq!(tended.way, Some(Way::Resolvconf));
    assert_eq!(tended.upstreams, upstream("[2001:db8::53]:53"));
    assert_eq!(asked(), ["::1"]);
    // The host moves.
    tell("2001:db8:b::53");
    assert_eq!(asked(), ["::1"]);
    let tended = tend(&mut installation);
    assert_eq!(tended.upstreams, upstream("[2001:db8:b::53]:53"));
    as_daemon(|| installation.undo()).unwrap();
    assert_eq!(asked(), ["2001:db8:b::53"]);
    // A killed daemon.
    tend(&mut installation);
    drop(installation);
    assert_eq!(asked(), ["::1"]);
    clean_up(&state_dir(machine)).unwrap();
    assert_eq!(asked(), ["2001:db8:b::53"]);
}

#[test]
fn debian_resolvconf_is_told_and_told_again() {
    let machine = debian();
    all_its_life(&machine);
    let link = fs::read_link("/etc/resolv.conf").unwrap();
    assert_eq!(link, Path::new("/run/resolvconf/resolv.conf"));
}

#[test]
fn openresolv_is_told_and_told_again() {
    all_its_life(&openresolv());
}

#[test]
fn servers_that_stand_above_ours_are_named() {
    let machine = debian();
    fs::write(
        "/etc/resolvconf/resolv.conf.d/head",
        "nameserver 192.0.2.7\n",
    )
    .unwrap();
    tell("2001:db8::53");
    let mut installation = installation(&machine, Install::Auto);
    let error = as_daemon(|| installation.tend(std::time::Instant::now())).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("192.0.2.7") && text.contains("head"),
        "{text}"
    );
    installation.undo().unwrap();
}

#[test]
fn a_hook_that_fails_is_no_failure_of_ours() {
    let machine = debian();
    let hook = "/etc/resolvconf/update.d/zz-broken";
    fs::write(hook, "#!/bin/sh\nexit 1\n").unwrap();
    sh(&format!("chmod +x {hook}")).unwrap();
    all_its_life(&machine);
}

#[test]
fn a_package_that_was_removed_has_nothing_to_undo() {
    let machine = debian();
    tell("2001:db8::53");
    let mut installation = installation(&machine, Install::Auto);
    tend(&mut installation);
    sh("rm /usr/sbin/resolvconf && rm -r /run/resolvconf").unwrap();
    installation.undo().unwrap();
}

#[test]
fn a_resolvconf_that_does_not_write_the_file_is_not_told() {
    let machine = Machine::with(&["resolvconf"]).unwrap();
    sh("mkdir -p /run/resolvconf/interface && touch /run/resolvconf/enable-updates").unwrap();
    fs::write("/etc/resolv.conf", "nameserver 192.0.2.1\n").unwrap();
    let mut installation = installation(&machine, Install::Auto);
    assert_eq!(tend(&mut installation).way, Some(Way::ResolvConf));
    assert_eq!(asked(), ["::1"]);
}
