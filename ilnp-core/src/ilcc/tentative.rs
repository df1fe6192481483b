//! Sessions that are not yet proved, bounded against floods.
//!
//! A correspondent's Nonce is taken only from a packet that nobody off the path could have sent
//! (see [`Outstanding`]). Until then the session is tentative: it believes nothing but that.

use crate::id::Locator;
use crate::time::Instant;
use crate::wire::{Nonce, Packet, Transport};

/// How many transport sessions are remembered that the correspondent may answer.
const OUTSTANDING: usize = 4;
/// How many first packets are kept in case the correspondent does not speak ILNP.
const FIRST_PACKETS: usize = 4;
/// Larger packets are not kept.
const FIRST_PACKET_OCTETS: usize = 2048;

/// Who began the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This host.
    Initiator,
    /// The correspondent: its packet came from this Locator.
    Responder(Locator),
}

/// What was sent and could be answered by somebody on the return path only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outstanding {
    /// A TCP segment: an answer acknowledges a number above `sequence` and not above `end`.
    Tcp {
        /// Our port.
        local: u16,
        /// The correspondent's port.
        remote: u16,
        /// The segment's sequence number.
        sequence: u32,
        /// The sequence number behind the segment.
        end: u32,
    },
    /// A UDP 4-tuple that this host opened.
    Udp {
        /// Our port.
        local: u16,
        /// The correspondent's port.
        remote: u16,
    },
    /// An Echo Request of a local program.
    Echo {
        /// Its identifier.
        identifier: u16,
        /// Its sequence number.
        sequence: u16,
    },
}

impl Outstanding {
    /// What a packet leaves outstanding. `payload` is how many octets follow the TCP header;
    /// `opened` tells whether this host began the session: otherwise a UDP datagram may itself be
    /// the answer to one that anybody could have sent.
    pub fn of(sent: &Transport, payload: u32, opened: bool) -> Option<Self> {
        use crate::wire::transport::tcp_flags::{FIN, SYN};
        match *sent {
            Transport::Tcp {
                source,
                destination,
                sequence,
                flags,
                ..
            } => {
                let flag = u32::from(flags & (SYN | FIN) != 0);
                let length = payload + flag;
                (length > 0).then(|| Self::Tcp {
                    local: source,
                    remote: destination,
                    sequence,
                    end: sequence.wrapping_add(length),
                })
            }
            Transport::Udp {
                source,
                destination,
            } => opened.then_some(Self::Udp {
                local: source,
                remote: destination,
            }),
            Transport::Echo {
                request,
                identifier,
                sequence,
            } => (request && opened).then_some(Self::Echo {
                identifier,
                sequence,
            }),
            Transport::Icmp { .. } | Transport::Other => None,
        }
    }

    /// Whether a packet from the correspondent answers it.
    pub fn is_answered_by(&self, received: &Transport) -> bool {
        use crate::wire::transport::tcp_flags::ACK;
        match (*self, *received) {
            (
                Self::Tcp {
                    local,
                    remote,
                    sequence,
                    end,
                },
                Transport::Tcp {
                    source,
                    destination,
                    acknowledgement,
                    flags,
                    ..
                },
            ) => {
                let length = end.wrapping_sub(sequence);
                let beyond = acknowledgement.wrapping_sub(sequence);
                flags & ACK != 0
                    && (source, destination) == (remote, local)
                    && (1..=length).contains(&beyond)
            }
            (
                Self::Udp { local, remote },
                Transport::Udp {
                    source,
                    destination,
                },
            ) => (source, destination) == (remote, local),
            (
                Self::Echo {
                    identifier,
                    sequence,
                },
                Transport::Echo {
                    request: false,
                    identifier: answered,
                    sequence: number,
                },
            ) => (identifier, sequence) == (answered, number),
            _ => false,
        }
    }
}

/// What is known of a session that is not yet proved.
#[derive(Debug)]
pub struct Tentative {
    /// Who began it.
    pub role: Role,
    /// When it began.
    pub since: Instant,
    /// Whether a router or the correspondent said that it cannot be reached: then silence does not
    /// mean that it speaks no ILNP (RFC 6744 §6).
    pub unreachable: bool,
    /// The Nonce that the first packet of another host had: packets with the same one are from the
    /// same sender, wherever that is now.
    pub claimed: Option<Nonce>,
    /// When the queue of unproved sessions saw it last.
    pub(super) touched: Instant,
    outstanding: Vec<Sent>,
    first: Vec<Packet>,
}

/// Something outstanding, and when it was sent, unless it was sent more than once.
#[derive(Debug)]
struct Sent {
    what: Outstanding,
    at: Option<Instant>,
}

/// That a packet answers something outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When that was sent, if kernels answer it at once and it was sent only once: a measure of the
    /// round-trip time.
    pub sent: Option<Instant>,
}

impl Tentative {
    /// A session that begins now.
    pub const fn new(now: Instant, role: Role) -> Self {
        Self {
            role,
            since: now,
            unreachable: false,
            claimed: None,
            touched: now,
            outstanding: Vec::new(),
            first: Vec::new(),
        }
    }

    /// Remembers what a packet leaves outstanding; the oldest is forgotten.
    pub fn sent(&mut self, now: Instant, what: Outstanding) {
        if let Some(known) = self.outstanding.iter_mut().find(|sent| sent.what == what) {
            known.at = None;
            return;
        }
        if self.outstanding.len() == OUTSTANDING {
            self.outstanding.remove(0);
        }
        let at_once = !matches!(what, Outstanding::Udp { .. });
        let at = at_once.then_some(now);
        self.outstanding.push(Sent { what, at });
    }

    /// Whether a packet answers something outstanding.
    pub fn answer(&self, received: &Transport) -> Option<Answer> {
        let mut outstanding = self.outstanding.iter();
        let sent = outstanding.find(|sent| sent.what.is_answered_by(received))?;
        Some(Answer { sent: sent.at })
    }

    /// Whether a kernel answers something outstanding by itself, unlike a program that may or may
    /// not answer a datagram.
    pub fn awaits_answer(&self) -> bool {
        let by_kernel = |sent: &Sent| !matches!(sent.what, Outstanding::Udp { .. });
        self.outstanding.iter().any(by_kernel)
    }

    fn has_sent(&self, what: Outstanding) -> bool {
        self.outstanding.iter().any(|sent| sent.what == what)
    }

    /// Keeps a packet as its program sent it. A retransmission takes the place of its original.
    pub fn keep_first(&mut self, packet: &Packet, outstanding: Option<Outstanding>) {
        let repeated = outstanding
            .is_some_and(|sent| matches!(sent, Outstanding::Tcp { .. }) && self.has_sent(sent));
        if packet.octets.len() <= FIRST_PACKET_OCTETS
            && self.first.len() < FIRST_PACKETS
            && !repeated
        {
            self.first.push(packet.clone());
        }
    }

    /// The kept packets, the earliest first, which stay kept.
    pub fn first(&self) -> Vec<Packet> {
        self.first.clone()
    }

    /// The kept packets, the earliest first.
    pub fn take_first(&mut self) -> Vec<Packet> {
        core::mem::take(&mut self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::transport::tcp_flags::{ACK, SYN};

    fn tcp(source: u16, destination: u16, numbers: (u32, u32), flags: u8) -> Transport {
        Transport::Tcp {
            source,
            destination,
            sequence: numbers.0,
            acknowledgement: numbers.1,
            flags,
        }
    }

    #[test]
    fn only_the_acknowledgement_of_the_own_syn_answers_it() {
        let sent = Outstanding::of(&tcp(1000, 80, (u32::MAX, 0), SYN), 0, true).unwrap();
        assert!(sent.is_answered_by(&tcp(80, 1000, (7, 0), SYN | ACK)));
        assert!(!sent.is_answered_by(&tcp(80, 1000, (7, 1), SYN | ACK)));
        assert!(!sent.is_answered_by(&tcp(80, 1000, (7, u32::MAX), SYN | ACK)));
        assert!(!sent.is_answered_by(&tcp(80, 1000, (7, 0), SYN)));
        assert!(!sent.is_answered_by(&tcp(80, 1001, (7, 0), SYN | ACK)));
        assert!(!sent.is_answered_by(&tcp(81, 1000, (7, 0), SYN | ACK)));
    }

    #[test]
    fn any_part_of_a_data_segment_may_be_acknowledged() {
        let sent = Outstanding::of(&tcp(1000, 80, (100, 1), ACK), 50, true).unwrap();
        for (acknowledged, answers) in [(100, false), (101, true), (150, true), (151, false)] {
            let received = tcp(80, 1000, (1, acknowledged), ACK);
            assert_eq!(sent.is_answered_by(&received), answers, "{acknowledged}");
        }
    }

    #[test]
    fn a_udp_answer_proves_nothing_to_a_responder() {
        let sent = Transport::Udp {
            source: 53,
            destination: 4000,
        };
        assert!(Outstanding::of(&sent, 0, false).is_none());
        assert!(Outstanding::of(&sent, 0, true).is_some());
    }

    #[test]
    fn an_echo_request_is_answered_by_its_reply_alone() {
        let echo = |request, sequence| Transport::Echo {
            request,
            identifier: 9,
            sequence,
        };
        let sent = Outstanding::of(&echo(true, 1), 0, true).unwrap();
        assert!(sent.is_answered_by(&echo(false, 1)));
        assert!(!sent.is_answered_by(&echo(true, 1)));
        assert!(!sent.is_answered_by(&echo(false, 2)));
    }

    #[test]
    fn what_is_outstanding_is_bounded_and_the_oldest_forgotten() {
        let mut tentative = Tentative::new(Instant::ZERO, Role::Initiator);
        for remote in 0..100 {
            tentative.sent(Instant::ZERO, Outstanding::Udp { local: 1, remote });
        }
        let answer = |source| Transport::Udp {
            source,
            destination: 1,
        };
        assert!(tentative.answer(&answer(99)).is_some());
        assert!(tentative.answer(&answer(0)).is_none());
    }

    #[test]
    fn a_round_trip_is_measured_unless_something_was_sent_again() {
        let mut tentative = Tentative::new(Instant::ZERO, Role::Initiator);
        let syn = Outstanding::of(&tcp(1000, 80, (7, 0), SYN), 0, true).unwrap();
        let at = Instant::from_nanos(5);
        tentative.sent(at, syn);
        let answer = tcp(80, 1000, (9, 8), SYN | ACK);
        assert_eq!(tentative.answer(&answer), Some(Answer { sent: Some(at) }));
        tentative.sent(Instant::from_nanos(6), syn);
        assert_eq!(tentative.answer(&answer), Some(Answer { sent: None }));
    }
}
