//! The ILNPv6 host daemon: everything around [`ilnp_core::node`] that touches the kernel, files
//! and users.
//!
//! One task owns the node. The other parts only translate, and talk to it over bounded channels.
//!
//! | module | what it does |
//! |---|---|
//! | [`api`] | HTTP and JSON over a Unix socket |
//! | [`attachment`] | which Locators this host has, and when it moves |
//! | [`capabilities`] | the rights that the daemon keeps |
//! | [`clock`] | time as the node counts it |
//! | [`clone`](mod@clone) | copies of this host keep away from its identifier |
//! | [`command`] | the command `ilnp` |
//! | [`config`] | reads and checks the configuration |
//! | [`daemon`] | from start to stop |
//! | [`datapath`] | the programs and tables in the kernel, and the TUN device |
//! | [`driver`] | the task that owns the node |
//! | [`identity`] | who this node is |
//! | [`kernel`] | links, addresses, routes and neighbour discovery |
//! | [`names`] | how names are found, and how this host is found by its own |
//! | [`record`] | recordings of everything that a node was told |
//! | [`relocation`] | the port over which a hypervisor's agent speaks of relocations |

pub mod api;
pub mod attachment;
pub mod capabilities;
pub mod clock;
pub mod clone;
pub mod command;
pub mod config;
pub mod daemon;
pub mod datapath;
pub mod driver;
pub mod identity;
pub mod kernel;
pub mod names;
pub mod record;
pub mod relocation;
