//! From an address to a name: `ip6.arpa` (RFC 3596 §2.5).

use core::fmt::Write as _;
use core::net::Ipv6Addr;

use ilnp_core::id::{IlVector, Locator};

use super::answer::{Answer, Query};
use super::{Found, Resolver};
use crate::name::Name;
use crate::record::RecordType;

/// How many names of one address are looked at.
const MAX_NAMES: usize = 4;

impl Resolver {
    /// A node that is known by its packets only (T51): the name that the PTR record of its address
    /// gives, if that name in turn has the node's identifier.
    pub async fn name_of(&self, vector: IlVector) -> Option<Found> {
        let query = Query {
            name: name(vector.address()),
            rtype: RecordType::PTR,
        };
        let reply = self.query(&query).await?;
        let Answer::Records(pointers) = Answer::read(&reply, &query) else {
            return None;
        };
        for pointer in pointers.iter().take(MAX_NAMES) {
            let Ok(name) = Name::from_wire(&pointer.data) else {
                continue;
            };
            let mut progress = self.begin(&name);
            let records = progress.done().await;
            if let Some(found) = records.found()
                && found.nid == vector.nid
            {
                return Some(found);
            }
        }
        None
    }
}

/// The name that has an address's PTR records.
pub(crate) fn name(address: Ipv6Addr) -> Name {
    nibbles(&address.octets())
}

/// The name above those of all addresses with this prefix.
pub(crate) fn zone(prefix: Locator) -> Name {
    nibbles(&prefix.octets())
}

fn nibbles(octets: &[u8]) -> Name {
    let mut text = String::new();
    for octet in octets.iter().rev() {
        // Writing to a string does not fail.
        let _ = write!(text, "{:x}.{:x}.", octet & 0xf, octet >> 4);
    }
    text.push_str("ip6.arpa.");
    text.parse().unwrap_or_else(|_| Name::root())
}

/// The address whose PTR records a name has.
pub(crate) fn address(name: &Name) -> Option<Ipv6Addr> {
    let labels: Vec<_> = name.labels().collect();
    let (nibbles, [ip6, arpa]) = labels.split_last_chunk()?;
    if nibbles.len() != 32
        || !ip6.eq_ignore_ascii_case(b"ip6")
        || !arpa.eq_ignore_ascii_case(b"arpa")
    {
        return None;
    }
    let mut bits = 0_u128;
    for label in nibbles.iter().rev() {
        let [digit] = label else { return None };
        let digit = char::from(*digit).to_digit(16)?;
        bits = bits << 4 | u128::from(digit);
    }
    Some(Ipv6Addr::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_their_names_are_inverse() {
        let text = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa.";
        let one: Ipv6Addr = "4321:0:1:2:3:4:567:89ab".parse().unwrap();
        assert_eq!(name(one).to_string(), text);
        assert_eq!(address(&text.to_uppercase().parse().unwrap()), Some(one));
        let zone = zone("4321:0:1:2::/64".parse().unwrap());
        assert_eq!(zone.to_string(), text[32..]);
    }

    #[test]
    fn other_names_are_no_addresses() {
        let right = name(Ipv6Addr::LOCALHOST).to_string();
        for text in [
            ".".to_owned(),
            "1.0.0.127.in-addr.arpa.".to_owned(),
            right[2..].to_owned(),
            format!("0.{right}"),
            right.replacen('1', "g", 1),
            right.replacen('1', "10", 1),
            right.replace("arpa", "example"),
            right.replace("ip6", "ip7"),
        ] {
            assert_eq!(address(&text.parse().unwrap()), None, "{text}");
        }
    }
}
