//! What the tests and `ilnp-bench` share: loads, a crowd of correspondents, and a judge that is not
//! ours.

pub mod cpu;
pub mod crowd;
pub mod judge;
pub mod load;
pub mod tun;
