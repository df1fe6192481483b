//! Unmodified programs look names up through the stub resolver, with BIND behind it: glibc, musl,
//! a static busybox, curl, Python and systemd-resolved.
//!
//! Every test has a host of its own, with `/etc/resolv.conf` and network, and a correspondent in
//! another namespace. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod daemons;
mod dnssec;
mod home;
mod ilnp_names;
mod other_names;
mod program;
