//! The authoritative server `ilnp-dnsd`.
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | reads the configuration |

pub mod config;
