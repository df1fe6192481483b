//! The ILNPv6 host daemon: everything around [`ilnp_core::node`] that touches the kernel, files
//! and users.
//!
//! One task owns the node. The other parts only translate, and talk to it over bounded channels.
//!
//! | module | what it does |
//! |---|---|
//! | [`attachment`] | which Locators this host has, and when it moves |
//! | [`capabilities`] | the rights that the daemon keeps |
//! | [`clock`] | time as the node counts it |
//! | [`config`] | reads and checks the configuration |
//! | [`datapath`] | the programs and tables in the kernel, and the TUN device |
//! | [`identity`] | who this node is |
//! | [`kernel`] | links, addresses, routes and neighbour discovery |

pub mod attachment;
pub mod capabilities;
pub mod clock;
pub mod config;
pub mod datapath;
pub mod identity;
pub mod kernel;
