//! The octets on the wire: views, representations and the one translation rule.

mod nonce;
mod packet;

pub use nonce::{Nonce, NonceLength};
pub use packet::{Offload, Packet};
