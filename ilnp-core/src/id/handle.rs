//! Handles: the addresses that applications and kernels see.

use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Locator, Nid, ParseIdError, serde_as_text};

/// The /64 that handles are made of.
///
/// Its four 16-bit words add up to 0xffff, which is zero in one's complement arithmetic. The TCP or
/// UDP checksum that a kernel computes over two handles is therefore the ILNP checksum of RFC 6744
/// §3, in which the Locators count as zero, and translating such a packet needs no checksum
/// arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandlePrefix(Locator);

/// A handle prefix whose words do not add up to zero in one's complement arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not checksum neutral: its four 16-bit words must add up to 0xffff, so that TCP and UDP checksums hold over handles"
)]
pub struct NotChecksumNeutral(pub Locator);

impl HandlePrefix {
    /// `fd69:6c6e:7000:2627::/64`: "fd", then "ilnp" in ASCII, then what makes it neutral.
    pub const DEFAULT: Self = Self(Locator::from_bits(0xfd69_6c6e_7000_2627));

    /// How many prefixes stand beside each other, one for each alias of an identifier.
    pub const ALIASES: u8 = 4;

    /// Makes a handle prefix, if its words add up to zero.
    ///
    /// # Errors
    /// [`NotChecksumNeutral`] when they do not.
    pub fn new(prefix: Locator) -> Result<Self, NotChecksumNeutral> {
        let mut sum: u64 = [48, 32, 16, 0]
            .map(|shift| (prefix.bits() >> shift) & 0xffff)
            .iter()
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        if sum == 0xffff {
            Ok(Self(prefix))
        } else {
            Err(NotChecksumNeutral(prefix))
        }
    }

    /// The prefix itself, alias 0.
    pub const fn locator(self) -> Locator {
        self.0
    }

    /// The prefix for an alias: alias `n` moves `n` from the fourth word to the third, which keeps
    /// the sum. Aliases tell correspondents apart that share one identifier (RFC 6741 §5.4).
    pub const fn alias(self, alias: u8) -> Locator {
        let [a, b, c, d, e, f, g, h] = self.0.octets();
        let third = u16::from_be_bytes([e, f]);
        let fourth = u16::from_be_bytes([g, h]);
        // One's complement arithmetic: a carry out of the word comes back in at its end.
        let (low, borrow) = fourth.overflowing_sub(alias as u16);
        let [g, h] = low.wrapping_sub(borrow as u16).to_be_bytes();
        let (high, carry) = third.overflowing_add(alias as u16);
        let [e, f] = high.wrapping_add(carry as u16).to_be_bytes();
        Locator::from_octets([a, b, c, d, e, f, g, h])
    }

    /// The alias that this prefix stands for, or `None` when it is no handle prefix of ours.
    pub fn alias_of(self, prefix: Locator) -> Option<u8> {
        (0..Self::ALIASES).find(|&alias| self.alias(alias) == prefix)
    }

    /// The address of a handle.
    pub fn address(self, handle: Handle) -> Ipv6Addr {
        super::IlVector::new(handle.nid, self.alias(handle.alias)).address()
    }

    /// The handle that an address is, or `None` when the address is not a handle.
    pub fn handle(self, address: Ipv6Addr) -> Option<Handle> {
        let vector = super::IlVector::from(address);
        let alias = self.alias_of(vector.locator)?;
        Some(Handle {
            nid: vector.nid,
            alias,
        })
    }
}

impl Default for HandlePrefix {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for HandlePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for HandlePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for HandlePrefix {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::new(text.parse()?).map_err(|_| ParseIdError {
            found: text.chars().take(64).collect(),
            expected: "a checksum-neutral /64 prefix (its four 16-bit words must add up to 0xffff)",
        })
    }
}

serde_as_text!(HandlePrefix);

/// A correspondent as applications name it: its identifier, and an alias that is 0 unless another
/// correspondent with the same identifier was met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle {
    /// The correspondent's identifier.
    pub nid: Nid,
    /// Which handle prefix its address has, below [`HandlePrefix::ALIASES`].
    pub alias: u8,
}

impl Handle {
    /// The first handle of an identifier.
    pub const fn new(nid: Nid) -> Self {
        Self { nid, alias: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_prefix_and_its_aliases_are_neutral() {
        for alias in 0..HandlePrefix::ALIASES {
            let prefix = HandlePrefix::DEFAULT.alias(alias);
            assert!(HandlePrefix::new(prefix).is_ok(), "{prefix}");
            assert_eq!(HandlePrefix::DEFAULT.alias_of(prefix), Some(alias));
        }
    }

    #[test]
    fn aliases_of_any_neutral_prefix_are_neutral_and_distinct() {
        for bits in [
            0x0001_fffe_0000_0000,
            0xfd00_02ff_0000_0000,
            0xfd00_0100_0000_01ff,
        ] {
            let base = HandlePrefix::new(Locator::from_bits(bits)).unwrap();
            let aliases: std::collections::HashSet<_> =
                (0..HandlePrefix::ALIASES).map(|n| base.alias(n)).collect();
            assert_eq!(aliases.len(), usize::from(HandlePrefix::ALIASES));
            for alias in aliases {
                assert!(HandlePrefix::new(alias).is_ok(), "{alias}");
            }
        }
    }

    #[test]
    fn refuses_a_prefix_that_is_not_neutral() {
        let error = "fd69:6c6e:7000:2628::/64"
            .parse::<HandlePrefix>()
            .unwrap_err();
        assert!(error.to_string().contains("0xffff"), "{error}");
    }

    #[test]
    fn address_and_handle_are_inverse() {
        let nid: Nid = "0214:4fff:fe20:ee64".parse().unwrap();
        let address = HandlePrefix::DEFAULT.address(Handle::new(nid));
        assert_eq!(
            address.to_string(),
            "fd69:6c6e:7000:2627:214:4fff:fe20:ee64"
        );
        assert_eq!(
            HandlePrefix::DEFAULT.handle(address),
            Some(Handle::new(nid))
        );
        assert_eq!(HandlePrefix::DEFAULT.handle(Ipv6Addr::LOCALHOST), None);
    }
}
