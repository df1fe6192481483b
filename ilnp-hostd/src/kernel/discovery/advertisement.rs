//! Router Advertisements (RFC 4861 §4.2).

use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::Locator;

/// A Router Advertisement, as far as it concerns Locators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The link-local address of the router.
    pub router: Ipv6Addr,
    /// For how long it is a default router; zero when it is none.
    pub lifetime: Duration,
    /// The router's MAC address, when it tells it.
    pub mac: Option<[u8; 6]>,
    /// The link's MTU, when it advertises one.
    pub mtu: Option<u32>,
    /// The /64 prefixes that a Locator can be made of, at most [`Advertisement::PREFIXES`].
    pub prefixes: Vec<PrefixInformation>,
}

/// A prefix that a router advertises (RFC 4861 §4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The /64 prefix.
    pub prefix: Locator,
    /// Hosts form addresses from it.
    pub autonomous: bool,
    /// For how long it is valid; `None` for ever.
    pub valid: Option<Duration>,
    /// For how long addresses from it are preferred; `None` for ever.
    pub preferred: Option<Duration>,
}

/// Why a message is not a valid Router Advertisement (RFC 4861 §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAdvertisement {
    /// It came from beyond the link, or somebody forged it.
    #[error("its hop limit is {0}, not 255")]
    HopLimit(u8),
    /// Routers speak from their link-local address.
    #[error("its source {0} is not link-local")]
    Source(Ipv6Addr),
    /// Another type or code.
    #[error("it is not a Router Advertisement")]
    Type,
    /// Less than the fixed part.
    #[error("it is too short")]
    Length,
    /// An option of length zero, or longer than what is left.
    #[error("an option's length does not fit")]
    Option,
}

/// The type of a Router Advertisement.
pub(super) const ROUTER_ADVERTISEMENT: u8 = 134;
const OPTION_SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const OPTION_PREFIX: u8 = 3;
const OPTION_MTU: u8 = 5;
const FLAG_AUTONOMOUS: u8 = 0x40;
/// The octets before the options.
const FIXED: usize = 16;

impl Advertisement {
    /// How many prefixes are read; a kernel forms no more addresses on an interface.
    pub const PREFIXES: usize = 16;

    /// Reads an ICMPv6 message whose checksum was verified.
    ///
    /// # Errors
    /// [`InvalidAdvertisement`] when a host must ignore it.
    pub fn parse(
        source: Ipv6Addr,
        hop_limit: u8,
        message: &[u8],
    ) -> Result<Self, InvalidAdvertisement> {
        if hop_limit != 255 {
            return Err(InvalidAdvertisement::HopLimit(hop_limit));
        }
        if !source.is_unicast_link_local() {
            return Err(InvalidAdvertisement::Source(source));
        }
        let Some((fixed, mut options)) = message.split_first_chunk::<FIXED>() else {
            return Err(InvalidAdvertisement::Length);
        };
        let [kind, code, _, _, _, _, high, low, ..] = *fixed;
        if (kind, code) != (ROUTER_ADVERTISEMENT, 0) {
            return Err(InvalidAdvertisement::Type);
        }
        let mut advertisement = Self {
            router: source,
            lifetime: Duration::from_secs(u16::from_be_bytes([high, low]).into()),
            mac: None,
            mtu: None,
            prefixes: Vec::new(),
        };
        while let [kind, units, ..] = *options {
            let length = usize::from(units) * 8;
            if length == 0 || length > options.len() {
                return Err(InvalidAdvertisement::Option);
            }
            let (option, rest) = options.split_at(length);
            advertisement.take(kind, option);
            options = rest;
        }
        if options.is_empty() {
            Ok(advertisement)
        } else {
            Err(InvalidAdvertisement::Option)
        }
    }

    /// Takes an option over. One that says nothing sensible is left out.
    fn take(&mut self, kind: u8, option: &[u8]) {
        match kind {
            OPTION_PREFIX if self.prefixes.len() < Self::PREFIXES => {
                self.prefixes.extend(PrefixInformation::parse(option));
            }
            OPTION_SOURCE_LINK_LAYER_ADDRESS => {
                self.mac = option.get(2..).and_then(|mac| mac.try_into().ok());
            }
            OPTION_MTU => {
                if let [_, _, _, _, mtu @ ..] = option
                    && let Ok(mtu) = <[u8; 4]>::try_from(mtu)
                {
                    self.mtu = Some(u32::from_be_bytes(mtu));
                }
            }
            _ => {}
        }
    }
}

impl PrefixInformation {
    /// ```text
    ///  0                   1                   2                   3
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    /// +---------------+---------------+---------------+-+-+-+---------+
    /// |   Type = 3    |  Length = 4   | Prefix Length |L|A|  Reserved |
    /// +---------------+---------------+---------------+-+-+-+---------+
    /// |                         Valid Lifetime                        |
    /// |                       Preferred Lifetime                      |
    /// |                           Reserved                            |
    /// |                      Prefix (16 octets)                       |
    /// ```
    ///
    /// `None` when it is no Locator's prefix, or is preferred for longer than it is valid, which a
    /// host must ignore (RFC 4862 §5.5.3).
    fn parse(option: &[u8]) -> Option<Self> {
        let option: &[u8; 32] = option.try_into().ok()?;
        let word = |at: usize| {
            let octets = option.get(at..at + 4)?;
            Some(u32::from_be_bytes(octets.try_into().ok()?))
        };
        let (valid, preferred) = (word(4)?, word(8)?);
        let prefix = Locator::from_octets(option.get(16..24)?.try_into().ok()?);
        let lifetime =
            |seconds: u32| (seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()));
        let sensible = option[2] == 64 && prefix.is_usable() && preferred <= valid;
        sensible.then(|| Self {
            prefix,
            autonomous: option[3] & FLAG_AUTONOMOUS != 0,
            valid: lifetime(valid),
            preferred: lifetime(preferred),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTER: &str = "fe80::1";

    fn fixed(lifetime: u16) -> Vec<u8> {
        let [high, low] = lifetime.to_be_bytes();
        vec![134, 0, 0, 0, 64, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    fn prefix(text: &str, length: u8, valid: u32, preferred: u32) -> Vec<u8> {
        let mut option = vec![3, 4, length, 0xc0];
        option.extend(valid.to_be_bytes());
        option.extend(preferred.to_be_bytes());
        option.extend([0; 4]);
        option.extend(text.parse::<Ipv6Addr>().unwrap().octets());
        option
    }

    fn parse(message: &[u8]) -> Result<Advertisement, InvalidAdvertisement> {
        Advertisement::parse(ROUTER.parse().unwrap(), 255, message)
    }

    #[test]
    fn reads_lifetimes_prefixes_and_mtu() {
        let message = [
            fixed(1800),
            vec![1, 1, 2, 0, 0, 0, 0, 1],
            prefix("2001:db8:a::", 64, 300, 200),
            prefix("2001:db8:b::", 64, u32::MAX, u32::MAX),
            vec![5, 1, 0, 0, 0, 0, 0x05, 0x78],
        ]
        .concat();
        let found = parse(&message).unwrap();
        assert_eq!(found.lifetime, Duration::from_secs(1800));
        assert_eq!(found.mtu, Some(1400));
        assert_eq!(found.mac, Some([2, 0, 0, 0, 0, 1]));
        let [first, second] = found.prefixes[..] else {
            panic!("{found:?}");
        };
        assert_eq!(first.prefix.to_string(), "2001:db8:a::/64");
        assert_eq!(first.valid, Some(Duration::from_secs(300)));
        assert_eq!(first.preferred, Some(Duration::from_secs(200)));
        assert!(first.autonomous);
        assert_eq!((second.valid, second.preferred), (None, None));
    }

    #[test]
    fn leaves_out_prefixes_that_make_no_locator() {
        let message = [
            fixed(1800),
            prefix("2001:db8:a::", 56, 300, 200),
            prefix("fe80::", 64, 300, 200),
            prefix("ff02::", 64, 300, 200),
            prefix("::", 64, 300, 200),
            prefix("2001:db8:b::", 64, 200, 300),
        ]
        .concat();
        assert_eq!(parse(&message).unwrap().prefixes, []);
    }

    #[test]
    fn refuses_what_a_host_must_ignore() {
        let router: Ipv6Addr = ROUTER.parse().unwrap();
        let global: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let good = fixed(1800);
        assert_eq!(
            Advertisement::parse(router, 64, &good),
            Err(InvalidAdvertisement::HopLimit(64))
        );
        assert_eq!(
            Advertisement::parse(global, 255, &good),
            Err(InvalidAdvertisement::Source(global))
        );
        assert_eq!(parse(&good[..15]), Err(InvalidAdvertisement::Length));
        let mut other = good.clone();
        other[1] = 1;
        assert_eq!(parse(&other), Err(InvalidAdvertisement::Type));
        for options in [
            &[3, 0, 0, 0, 0, 0, 0, 0][..],
            &[3, 4, 64, 0, 0, 0, 0, 0],
            &[3],
        ] {
            let message = [&good, options].concat();
            assert_eq!(parse(&message), Err(InvalidAdvertisement::Option));
        }
    }

    #[test]
    fn takes_no_more_prefixes_than_the_limit() {
        let mut message = fixed(1800);
        for n in 0..100 {
            message.extend(prefix(&format!("2001:db8:{n:x}::"), 64, 300, 200));
        }
        assert_eq!(
            parse(&message).unwrap().prefixes.len(),
            Advertisement::PREFIXES
        );
    }

    proptest! {
        #[test]
        fn never_panics(message in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&message);
            let mut message = message;
            message.splice(0..message.len().min(16), fixed(0));
            let _ = parse(&message);
        }
    }
}
