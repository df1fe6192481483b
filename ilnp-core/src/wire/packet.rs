//! A packet with what the kernel left for later.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An IPv6 packet, from its version octet to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The octets.
    pub octets: Bytes,
    /// Work that the kernel left for later, when it left some.
    pub offload: Option<Offload>,
}

/// Checksum and segmentation work left for later, as `struct virtio_net_hdr` says it.
///
/// Offsets count from the first octet of the IPv6 header. They shift when an option is inserted
/// before or removed from in front of the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offload {
    /// `VIRTIO_NET_HDR_F_*`: 1 when the checksum is still to be finished.
    pub flags: u8,
    /// `VIRTIO_NET_HDR_GSO_*`: 0 none, 4 TCP over IPv6, 5 UDP; 0x80 set with ECN.
    pub gso_type: u8,
    /// Octets of all headers, the transport header included.
    pub header_len: u16,
    /// Payload octets of each segment.
    pub segment_len: u16,
    /// Where checksumming starts.
    pub checksum_start: u16,
    /// Where the checksum stands, from `checksum_start`.
    pub checksum_offset: u16,
}

impl Packet {
    /// A packet that is complete as it stands.
    pub fn new(octets: impl Into<Bytes>) -> Self {
        Self {
            octets: octets.into(),
            offload: None,
        }
    }
}
