//! `ilnp-relocate`: moves a running virtual machine, with its disks, to another site.
//!
//! An agent runs beside the hypervisors of each site. The agents of two sites talk over one
//! mutually authenticated TLS connection, which carries orders, memory and disks; hypervisors
//! listen on Unix sockets only, and neither site learns addresses of the other's hypervisors.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hypervisor`] | what a hypervisor must be able to do with one guest, at the source and at the target |
//! | [`qemu`] | both halves for QEMU: its command line, its process, its images, its migration |
//! | [`qmp`] | a client of QEMU's monitor |

pub mod hypervisor;
pub mod qemu;
pub mod qmp;
