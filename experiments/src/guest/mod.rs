//! What a virtual machine boots: Debian's cloud kernel, and an image of the programs that run in it.
//!
//! The image is an initramfs: busybox, the daemon, the servers of the workloads and the libraries
//! that they want, as they are on this machine. It is made anew for every run, in a second or so;
//! only the kernel, which is a package that no machine of the lab has installed, is kept.

mod archive;
pub mod console;
mod image;
mod kernel;
mod libraries;

pub use archive::Archive;
pub use console::Console;
pub use image::{Image, START};
pub use kernel::Kernel;
