//! The messages that a host sends and the answer that it hears.

use std::net::Ipv6Addr;

/// The type of a Router Solicitation.
const ROUTER_SOLICITATION: u8 = 133;
/// The type of a Neighbour Solicitation.
const NEIGHBOUR_SOLICITATION: u8 = 135;
/// The type of a Neighbour Advertisement.
pub(super) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// A Neighbour Advertisement that answers a Neighbour Solicitation.
const FLAG_SOLICITED: u8 = 0x40;

/// A Router Solicitation (RFC 4861 §4.1). The sender's MAC address in it lets a router answer
/// without looking the sender up first.
pub(super) fn router_solicitation(mac: Option<[u8; 6]>) -> Vec<u8> {
    let mut message = vec![ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    append_source(&mut message, mac);
    message
}

/// A Neighbour Solicitation (RFC 4861 §4.3), sent to the router alone, as Simple DNA does (RFC 6059
/// §5.3): another router with the same address but another MAC does not hear it.
pub(super) fn neighbour_solicitation(target: Ipv6Addr, mac: Option<[u8; 6]>) -> Vec<u8> {
    let mut message = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    append_source(&mut message, mac);
    message
}

/// Source Link-Layer Address option (RFC 4861 §4.6.1).
fn append_source(message: &mut Vec<u8>, mac: Option<[u8; 6]>) {
    if let Some(mac) = mac {
        message.extend([1, 1]);
        message.extend(mac);
    }
}

/// The neighbour that answers a Neighbour Solicitation with this message (RFC 4861 §7.1.2).
pub(super) fn answering_neighbour(hop_limit: u8, message: &[u8]) -> Option<Ipv6Addr> {
    let (fixed, target) = message.split_first_chunk::<8>()?;
    let target = Ipv6Addr::from(*target.first_chunk::<16>()?);
    let [kind, code, _, _, flags, ..] = *fixed;
    let answers = hop_limit == 255
        && kind == NEIGHBOUR_ADVERTISEMENT
        && code == 0
        && flags & FLAG_SOLICITED != 0
        && !target.is_multicast();
    answers.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn solicitations_carry_the_senders_mac() {
        assert_eq!(
            router_solicitation(Some(MAC)),
            [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 9]
        );
        assert_eq!(router_solicitation(None).len(), 8);
        let message = neighbour_solicitation("fe80::1".parse().unwrap(), Some(MAC));
        assert_eq!((message.len(), message[0], message[23]), (32, 135, 1));
    }

    #[test]
    fn only_a_solicited_answer_from_the_link_counts() {
        let router: Ipv6Addr = "fe80::1".parse().unwrap();
        let mut message = vec![136, 0, 0, 0, 0xe0, 0, 0, 0];
        message.extend(router.octets());
        assert_eq!(answering_neighbour(255, &message), Some(router));
        assert_eq!(answering_neighbour(64, &message), None);
        assert_eq!(answering_neighbour(255, &message[..23]), None);
        message[4] = 0xa0;
        assert_eq!(answering_neighbour(255, &message), None);
    }
}
