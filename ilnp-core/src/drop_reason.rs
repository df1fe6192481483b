//! Why a packet was dropped: the one table, shared with the BPF programs.
//!
//! `cargo xtask bpf` writes `ilnp-hostd/bpf/lib/drop_reasons.h` from it. Every reason is a counter
//! that users see under its label; codes are stable once released.

use core::fmt;

use serde::{Serialize, Serializer};

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $label:literal;)+) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $name = $code,)+
        }

        impl DropReason {
            /// Every reason, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name that users and metrics see.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// What the counter means, for people.
            pub fn meaning(self) -> String {
                match self { $(Self::$name => concat!($($doc),+).trim().to_owned(),)+ }
            }
        }
    };
}

drop_reasons! {
    /// A handle as source or destination on a physical interface: a forgery or a leak.
    HandleOnWire = 0, "handle-on-wire";
    /// A Nonce option in a packet to a multicast group.
    NonceToMulticast = 1, "nonce-to-multicast";
    /// Headers that are cut short or contradict each other.
    Malformed = 2, "malformed";
    /// More than one Nonce option (RFC 6744 §2).
    NonceRepeated = 3, "nonce-repeated";
    /// A Nonce that is neither 32 nor 96 bits long.
    NonceLength = 4, "nonce-length";
    /// A correspondent's identifier with a Nonce that is not its own.
    NonceWrong = 5, "nonce-wrong";
    /// A Nonce from a node that is no correspondent, in a packet that starts no session.
    NonceUnknown = 6, "nonce-unknown";
    /// A packet whose Nonce belongs to one of our identifiers but whose destination is not ours.
    NotOurs = 7, "not-ours";
    /// A Locator Update without a Nonce.
    UpdateWithoutNonce = 8, "update-without-nonce";
    /// A Locator Update with the wrong Nonce.
    UpdateWrongNonce = 9, "update-wrong-nonce";
    /// A Locator Update from a node that is no correspondent.
    UpdateNotCorrespondent = 10, "update-not-correspondent";
    /// A Locator Update with a wrong code, operation, count or length.
    UpdateMalformed = 11, "update-malformed";
    /// A Locator Update in which no Locator is usable.
    UpdateNoUsableLocator = 12, "update-no-usable-locator";
    /// More Locator Updates from one correspondent than are processed.
    UpdateRate = 13, "update-rate";
    /// An acknowledgement of an update that was not sent.
    UpdateUnasked = 14, "update-unasked";
    /// An ICMPv6 message whose checksum is wrong.
    IcmpChecksum = 15, "icmp-checksum";
    /// An ICMPv6 error that claims to come from a correspondent and lacks its Nonce.
    IcmpForged = 16, "icmp-forged";
    /// An ICMPv6 error that quotes no packet of an ILNP session.
    IcmpUnmatched = 17, "icmp-unmatched";
    /// No room for another correspondent.
    CorrespondentsFull = 18, "correspondents-full";
    /// No room for another session that is not yet proved.
    TentativeFull = 19, "tentative-full";
    /// A packet to a handle of which nothing is known.
    NoCorrespondent = 20, "no-correspondent";
    /// No Locator to send from.
    NoLocator = 21, "no-locator";
    /// A packet that is larger than the link carries.
    PacketTooBig = 22, "packet-too-big";
    /// A fragment that could not be kept or put together.
    Fragment = 23, "fragment";
    /// The kernel had no room to insert or remove the Nonce option.
    NoRoom = 24, "no-room";
    /// A packet on the ILNP interface that is neither to a handle nor from the wire.
    NotToHandle = 25, "not-to-handle";
    /// A packet that waited for its session to start and was pushed out by others.
    QueueFull = 26, "queue-full";
    /// A packet from or to an identifier that this host must not use, because a copy of it does.
    Fenced = 27, "fenced";
    /// A packet for the daemon, when as many waited for it as may.
    SlowPathFull = 28, "slow-path-full";
}

impl DropReason {
    /// The code that the BPF programs count under.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl Serialize for DropReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::DropReason;

    #[test]
    fn codes_count_up_from_zero_and_labels_differ() {
        let labels: std::collections::HashSet<_> = DropReason::ALL
            .iter()
            .map(|reason| reason.label())
            .collect();
        assert_eq!(labels.len(), DropReason::ALL.len());
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(usize::from(reason.code()), index);
        }
    }
}
