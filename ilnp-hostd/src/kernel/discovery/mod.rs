//! Neighbour discovery (RFC 4861) as a host that looks for its routers needs it.

mod advertisement;
mod message;
mod socket;

pub use advertisement::{Advertisement, InvalidAdvertisement, PrefixInformation};
pub use socket::{Discovery, Heard, HeardMessage, Sender};
