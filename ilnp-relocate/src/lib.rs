//! `ilnp-relocate`: moves a running virtual machine, with its disks, to another site.
//!
//! An agent runs beside the hypervisors of each site. The agents of two sites talk over one
//! mutually authenticated TLS connection, which carries orders, memory and disks; hypervisors
//! listen on Unix sockets only, and neither site learns addresses of the other's hypervisors.
//!
//! | module | what it holds |
//! |---|---|
//! | [`daemon`] | the agent from start to stop |
//! | [`api`] | HTTP and JSON over a Unix socket |
//! | [`command`] | the command `ilnp-relocate` |
//! | [`config`] | the agent's configuration |
//! | [`custody`] | who owns a guest: what keeps it from ever running at two sites |
//! | [`journal`] | custody made durable |
//! | [`guest`] | the daemon in a guest, over the guest's port |
//! | [`hypervisor`] | what a hypervisor must be able to do with one guest, at the source and at the target |
//! | [`libvirt`] | both halves for the guests of a libvirt daemon, through `virsh` |
//! | [`qemu`] | both halves for QEMU: its command line, its process, its images, its migration |
//! | [`qmp`] | a client of QEMU's monitor |
//! | [`relocation`] | carries relocations out |
//! | [`report`] | what is told of a relocation, and kept |
//! | [`site`] | the name of a site |
//! | [`pki`] | the operator's own certification authority: `ilnp-relocate pki` |
//! | [`tls`] | who a site is, and who may talk to it |
//! | [`channel`] | the one connection between two agents: orders, and copies at a limited rate |

pub mod api;
pub mod channel;
pub mod command;
pub mod config;
pub mod custody;
pub mod daemon;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guest;
mod hex;
pub mod hypervisor;
pub mod journal;
pub mod libvirt;
pub mod pki;
pub mod qemu;
pub mod qmp;
pub mod relocation;
pub mod report;
pub mod site;
pub mod tls;
