//! The two unidirectional Nonces of a session (RFC 6740 §2.3, RFC 6744 §5.2).

use rand::Rng;

use crate::wire::{Nonce, NonceLength};

/// Where a Linux router looks for the TCP data offset of a packet that is still to be segmented, as
/// hosts and routers of one machine hand them to each other: it takes the 96-bit option for the
/// TCP header, and compares with the link's MTU what the segments would be long. Were this octet
/// random, three in sixteen sessions would get a Packet Too Big for every packet that fits.
const DATA_OFFSET: usize = 8;
/// 36 octets: the option's header with the shortest TCP header. More would refuse segments that fit
/// when TCP has no timestamps; with them, a segment of up to 12 octets too many passes until TCP
/// tries it alone and the router measures right. The other 92 bits are random.
const DATA_OFFSET_WORDS: u8 = 9;

/// The proof that a packet carried the right Nonce.
///
/// Only [`Nonces::verify`] and [`Nonces::bind`] make one, and everything that changes a
/// correspondent's Locators because of a packet asks for one: a Locator Update that was not checked
/// cannot be applied.
#[derive(Clone, Copy, Debug)]
pub struct NonceVerified(());

/// The proof that a packet quoted the Nonce that this host sends to a correspondent.
#[derive(Clone, Copy, Debug)]
pub struct OwnNonceQuoted(());

/// The Nonces of one session.
#[derive(Clone, Copy, Debug)]
pub struct Nonces {
    out: Nonce,
    inward: Option<Nonce>,
}

impl Nonces {
    /// The Nonces of a session that this host has just begun: its own is fresh and random
    /// (RFC 4086), the correspondent's is not known yet.
    pub fn fresh(length: NonceLength, random: &mut impl Rng) -> Self {
        let mut octets = [0; 12];
        random.fill_bytes(&mut octets);
        octets[DATA_OFFSET] = octets[DATA_OFFSET] & 0x0f | DATA_OFFSET_WORDS << 4;
        let value = octets.get(..length.octets()).unwrap_or(&octets);
        let out = Nonce::from_slice(value).unwrap_or_else(|| unreachable!("4 or 12 octets"));
        Self { out, inward: None }
    }

    /// The Nonces of a session that outlived the daemon.
    pub const fn restored(out: Nonce, inward: Nonce) -> Self {
        Self {
            out,
            inward: Some(inward),
        }
    }

    /// The Nonce in packets to the correspondent.
    pub const fn out(&self) -> Nonce {
        self.out
    }

    /// The Nonce in packets from the correspondent, once it is proved.
    pub const fn inward(&self) -> Option<Nonce> {
        self.inward
    }

    /// Checks the Nonce of a packet from the correspondent, in constant time.
    pub fn verify(&self, nonce: &Nonce) -> Option<NonceVerified> {
        (self.inward.as_ref() == Some(nonce)).then_some(NonceVerified(()))
    }

    /// Checks the Nonce in a packet that an ICMPv6 error quotes, in constant time.
    pub fn verify_quoted(&self, nonce: &Nonce) -> Option<OwnNonceQuoted> {
        (self.out == *nonce).then_some(OwnNonceQuoted(()))
    }

    /// Takes the Nonce of a packet that answers one of ours, as the correspondent's.
    ///
    /// Callers make sure that only somebody on the return path could have sent that packet: see
    /// [`Outstanding`](super::tentative::Outstanding).
    pub fn bind(&mut self, nonce: Nonce) -> NonceVerified {
        self.inward = Some(nonce);
        NonceVerified(())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn fresh_nonces_have_the_length_asked_for_and_do_not_repeat() {
        let mut random = StdRng::from_seed([7; 32]);
        for length in [NonceLength::Short, NonceLength::Long] {
            let seen: std::collections::HashSet<_> = (0..1000)
                .map(|_| Nonces::fresh(length, &mut random).out())
                .collect();
            assert_eq!(seen.len(), 1000);
            assert!(seen.iter().all(|nonce| nonce.length() == length));
        }
    }

    #[test]
    fn routers_that_measure_unsegmented_packets_refuse_none_that_fits() {
        let mut random = StdRng::from_seed([7; 32]);
        for _ in 0..100 {
            let nonce = Nonces::fresh(NonceLength::Long, &mut random).out();
            // Next header, length, option type and option length stand before the Nonce.
            let header: Vec<u8> = [6, 1, 0x8b, 12]
                .iter()
                .chain(nonce.as_slice())
                .copied()
                .collect();
            let taken_for_tcp = usize::from(header[12] >> 4) * 4;
            assert_eq!(taken_for_tcp, header.len() + 20);
        }
    }

    #[test]
    fn only_the_bound_nonce_is_right() {
        let mut random = StdRng::from_seed([7; 32]);
        let mut nonces = Nonces::fresh(NonceLength::Long, &mut random);
        let peer = Nonce::from_slice(&[1; 12]).unwrap();
        assert!(nonces.verify(&peer).is_none());
        nonces.bind(peer);
        assert!(nonces.verify(&peer).is_some());
        assert!(nonces.verify(&nonces.out()).is_none());
        assert!(
            nonces
                .verify(&Nonce::from_slice(&[1; 4]).unwrap())
                .is_none()
        );
    }
}
