//! The stub resolver put in front of a host's applications, and taken away: with real files, a real
//! systemd-resolved and both implementations of resolvconf.
//!
//! Every test has `/etc`, `/usr`, `/run` and a network of its own. Needs root, and the packages
//! that `cargo xtask test` unpacks; without them every test says so and fails.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod daemon;
mod files;
mod machine;
mod name_server;
mod resolvconf;
mod resolved;
