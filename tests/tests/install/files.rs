//! Hosts whose `/etc/resolv.conf` is a file, written by hand or by a DHCP client.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use ilnp_hostd::names::install::{Install, InstallError, Way, clean_up};
use nix::mount::{MsFlags, mount};

use tests::machine::{RESOLV_CONF, link_to};

use crate::machine::{
    as_daemon, asked, installation, plain, state_dir, tend, text, try_installation, upstream, write,
};

const PROVIDER: &str = "# by hand\nsearch example.org\nnameserver 2001:db8::53\n";

#[test]
fn a_file_is_replaced_and_comes_back() {
    let machine = plain();
    write(PROVIDER);
    fs::set_permissions(RESOLV_CONF, fs::Permissions::from_mode(0o640)).unwrap();
    let mut installation = installation(&machine, Install::Auto);
    assert_eq!(text(), PROVIDER, "nothing is done before it is asked for");
    let tended = tend(&mut installation);
    assert_eq!(tended.way, Some(Way::ResolvConf));
    assert_eq!(tended.upstreams, upstream("[2001:db8::53]:53"));
    assert_eq!(asked(), ["::1"]);
    assert!(text().contains("search example.org"));
    assert_eq!(tend(&mut installation), tended, "a second time");
    as_daemon(|| installation.undo()).unwrap();
    assert_eq!(text(), PROVIDER);
    let mode = fs::metadata(RESOLV_CONF).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn no_file_at_all_comes_back_as_none() {
    let machine = plain();
    let mut installation = installation(&machine, Install::Auto);
    assert!(tend(&mut installation).upstreams.is_empty());
    assert_eq!(asked(), ["::1"]);
    installation.undo().unwrap();
    assert!(!Path::new(RESOLV_CONF).exists());
}

#[test]
fn a_link_comes_back_as_a_link_and_is_followed_meanwhile() {
    let machine = plain();
    fs::write("/run/made.conf", PROVIDER).unwrap();
    link_to("../run/made.conf").unwrap();
    let mut installation = installation(&machine, Install::Auto);
    tend(&mut installation);
    assert_eq!(asked(), ["::1"]);
    assert_eq!(fs::read_to_string("/run/made.conf").unwrap(), PROVIDER);
    // The host moves, and whoever makes the file makes it anew.
    fs::write("/run/made.conf", "nameserver 2001:db8:b::53\n").unwrap();
    let tended = tend(&mut installation);
    assert_eq!(tended.upstreams, upstream("[2001:db8:b::53]:53"));
    assert!(!text().contains("search"));
    installation.undo().unwrap();
    assert_eq!(
        fs::read_link(RESOLV_CONF).unwrap(),
        Path::new("../run/made.conf")
    );
}

#[test]
fn a_dhcp_client_that_writes_the_file_tells_the_new_upstream() {
    let machine = plain();
    write(PROVIDER);
    let mut installation = installation(&machine, Install::Auto);
    tend(&mut installation);
    write("nameserver 2001:db8:b::53\n");
    let tended = tend(&mut installation);
    assert_eq!(tended.upstreams, upstream("[2001:db8:b::53]:53"));
    assert_eq!(asked(), ["::1"]);
    installation.undo().unwrap();
    assert_eq!(text(), "nameserver 2001:db8:b::53\n");
}

#[test]
fn a_killed_daemon_is_undone_by_the_next_one() {
    let machine = plain();
    write(PROVIDER);
    let mut killed = installation(&machine, Install::Auto);
    tend(&mut killed);
    drop(killed);
    assert_eq!(asked(), ["::1"]);
    let mut next = installation(&machine, Install::Auto);
    assert_eq!(text(), PROVIDER);
    assert_eq!(
        tend(&mut next).upstreams,
        upstream("[2001:db8::53]:53"),
        "never itself"
    );
    drop(next);
    // What `--cleanup` does, and a start with another configuration.
    clean_up(&state_dir(&machine)).unwrap();
    assert_eq!(text(), PROVIDER);
    clean_up(&state_dir(&machine)).unwrap();
    assert_eq!(text(), PROVIDER);
}

#[test]
fn what_a_crash_in_the_middle_left_beside_the_file_goes() {
    let machine = plain();
    write(PROVIDER);
    let mut killed = installation(&machine, Install::Auto);
    tend(&mut killed);
    drop(killed);
    let half = Path::new("/etc/resolv.conf.ilnp-new");
    fs::write(half, "# Writt").unwrap();
    clean_up(&state_dir(&machine)).unwrap();
    assert_eq!(text(), PROVIDER);
    assert!(!half.exists());
}

#[test]
fn a_file_of_somebody_else_survives_the_undoing() {
    let machine = plain();
    write(PROVIDER);
    let mut installation = installation(&machine, Install::Auto);
    tend(&mut installation);
    write("nameserver 192.0.2.1\n");
    installation.undo().unwrap();
    assert_eq!(text(), "nameserver 192.0.2.1\n");
}

#[test]
fn a_file_that_is_a_mount_is_written_in_place() {
    let machine = plain();
    // As `ip netns exec` and container engines do it.
    let elsewhere = Path::new("/run/elsewhere");
    fs::write(elsewhere, PROVIDER).unwrap();
    write("");
    let none = None::<&str>;
    mount(Some(elsewhere), RESOLV_CONF, none, MsFlags::MS_BIND, none).unwrap();
    let mut installation = installation(&machine, Install::Auto);
    tend(&mut installation);
    assert_eq!(asked(), ["::1"]);
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), text());
    // A crash while it was written in place.
    fs::write(elsewhere, &text()[..40]).unwrap();
    installation.undo().unwrap();
    assert_eq!(text(), PROVIDER);
}

#[test]
fn a_read_only_file_is_named_and_nothing_is_kept() {
    let machine = plain();
    write(PROVIDER);
    let none = None::<&str>;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(Some("/etc"), "/etc", none, MsFlags::MS_BIND, none).unwrap();
    mount(none, "/etc", none, read_only, none).unwrap();
    let mut installation = installation(&machine, Install::Auto);
    let error = as_daemon(|| installation.tend(Instant::now())).unwrap_err();
    assert!(error.to_string().contains(RESOLV_CONF), "{error}");
    assert_eq!(text(), PROVIDER);
    installation.undo().unwrap();
}

#[test]
fn two_programs_that_both_insist_do_not_write_for_ever() {
    let machine = plain();
    let mut installation = installation(&machine, Install::Auto);
    let start = Instant::now();
    let mut refused = None;
    for second in 0..60 {
        write(PROVIDER);
        if let Err(error) = installation.tend(start + Duration::from_secs(second)) {
            refused = Some((second, error));
            break;
        }
    }
    let (second, error) = refused.expect("sixty times in a minute");
    assert!(matches!(error, InstallError::Contested), "{error}");
    assert!(second >= 5, "a host may move often: {second}");
    assert_eq!(text(), PROVIDER, "left alone");
    // It is tried again later.
    installation.tend(start + Duration::from_secs(200)).unwrap();
    assert_eq!(asked(), ["::1"]);
}

#[test]
fn nothing_is_done_when_nothing_is_wanted() {
    let machine = plain();
    write(PROVIDER);
    let mut installation = installation(&machine, Install::No);
    let tended = tend(&mut installation);
    assert_eq!(tended.way, None);
    assert_eq!(tended.upstreams, upstream("[2001:db8::53]:53"));
    assert_eq!(text(), PROVIDER);
    assert!(!state_dir(&machine).exists());
}

#[test]
fn a_text_that_another_machine_wrote_is_not_kept_as_the_original() {
    let machine = plain();
    write(PROVIDER);
    let mut first = installation(&machine, Install::Auto);
    tend(&mut first);
    // A clone that lost its state directory.
    fs::remove_dir_all(state_dir(&machine)).unwrap();
    let mut second = installation(&machine, Install::Auto);
    let error = second.tend(Instant::now()).unwrap_err();
    assert!(matches!(error, InstallError::Another), "{error}");
}

#[test]
fn a_damaged_record_changes_nothing() {
    let machine = plain();
    write(PROVIDER);
    fs::create_dir_all(state_dir(&machine)).unwrap();
    fs::write(state_dir(&machine).join("resolver.json"), "{").unwrap();
    let error = try_installation(&machine, Install::Auto).unwrap_err();
    assert!(error.to_string().contains("resolver.json"), "{error}");
    assert_eq!(text(), PROVIDER);
}
