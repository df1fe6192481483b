//! What the tests and `ilnp-bench` share: loads, a crowd of correspondents, and a judge that is not
//! ours.

pub mod bench;
pub mod cpu;
pub mod crowd;
pub mod dns;
pub mod inject;
pub mod judge;
pub mod load;
pub mod machine;
pub mod name_servers;
pub mod packets;
pub mod relocation;
pub mod sandbox;
pub mod scene;
pub mod session;
pub mod tun;

use std::path::PathBuf;

/// A program of this workspace, built with the running one.
///
/// # Panics
/// When the running program does not know where it is.
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the running program is somewhere");
    let folders = this.ancestors().skip(1);
    // Cargo puts tests into `deps`, below the programs.
    let mut folders = folders.filter(|folder| !folder.ends_with("deps"));
    folders.next().expect("a folder").join(name)
}
