//! The header and the question of a message in its octets (RFC 1035 §4.1), for messages that are
//! passed on without being read further.

use crate::message::{Opcode, Question, Rcode};
use crate::name::Name;
use crate::record::{Class, RecordType};

/// Octets of a header.
pub(crate) const HEADER: usize = 12;

/// QR, in the third octet.
const RESPONSE: u8 = 0x80;
/// TC, in the third octet.
const TRUNCATED: u8 = 0x02;
/// RD, in the third octet.
const RECURSION_DESIRED: u8 = 0x01;

/// The octets of a message whose header and single question are sound. What follows the question
/// was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    /// The lower four bits of how it went.
    pub(crate) rcode: Rcode,
    /// The question.
    pub(crate) question: Question,
    /// The octets up to the end of the question.
    pub(crate) head: &'a [u8],
}

/// Why octets are no message with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// Without a whole header, or a response itself: it must not be answered.
    Unanswerable,
    /// A request with a whole header, to be answered with this code.
    Answer(Rcode),
}

impl<'a> Raw<'a> {
    /// Reads the header and the question. The name in the question must be uncompressed: nothing
    /// stands before it that it could point to.
    pub(crate) fn read(octets: &'a [u8]) -> Option<Self> {
        let (header, rest) = octets.split_first_chunk::<HEADER>()?;
        let [_, flags, questions, _, _, _] = words(header);
        if questions != 1 {
            return None;
        }
        let (name, rest) = Name::split_from(rest).ok()?;
        let (numbers, rest) = rest.split_first_chunk::<4>()?;
        let [rtype, class] = words(numbers);
        let [_, lower] = flags.to_be_bytes();
        Some(Self {
            rcode: Rcode(u16::from(lower & 0xf)),
            question: Question {
                name,
                rtype: RecordType(rtype),
                class: Class(class),
            },
            head: &octets[..octets.len() - rest.len()],
        })
    }

    /// Reads a request to answer.
    ///
    /// # Errors
    /// [`Unsound`], when it is not one that can be passed on.
    pub(crate) fn read_request(octets: &'a [u8]) -> Result<Self, Unsound> {
        let flags = octets.get(2).filter(|_| octets.len() >= HEADER);
        let flags = flags.filter(|&&flags| flags & RESPONSE == 0);
        let flags = flags.ok_or(Unsound::Unanswerable)?;
        if Opcode(flags >> 3 & 0xf) != Opcode::QUERY {
            return Err(Unsound::Answer(Rcode::NOTIMP));
        }
        Self::read(octets).ok_or(Unsound::Answer(Rcode::FORMERR))
    }
}

/// Whether a message says that it was cut.
pub(crate) fn is_truncated(octets: &[u8]) -> bool {
    octets.get(2).is_some_and(|flags| flags & TRUNCATED != 0)
}

/// The response of nothing but a code to a request that has at least a header: with its question
/// where that is sound.
pub(crate) fn refusal(request: &[u8], rcode: Rcode) -> Vec<u8> {
    let head = Raw::read(request).map(|raw| raw.head);
    let head = head.unwrap_or_else(|| &request[..HEADER.min(request.len())]);
    let mut response = empty(head, rcode);
    // Recursion is available.
    response[3] |= 0x80;
    response
}

/// What is left of a response that is too long for its transport.
pub(crate) fn cut(response: &[u8]) -> Option<Vec<u8>> {
    let raw = Raw::read(response)?;
    let mut short = empty(raw.head, raw.rcode);
    short[2] = response[2] | TRUNCATED;
    short[3] = response[3];
    Some(short)
}

/// A response that has a header and as much of a question as `head` has.
fn empty(head: &[u8], rcode: Rcode) -> Vec<u8> {
    let mut response = head.to_vec();
    response.resize(response.len().max(HEADER), 0);
    // The opcode and RD are the request's.
    response[2] = response[2] & (0x78 | RECURSION_DESIRED) | RESPONSE;
    let [_, lower] = rcode.0.to_be_bytes();
    response[3] = response[3] & 0x10 | lower & 0xf;
    let questions = u8::from(response.len() > HEADER);
    response[4..HEADER].copy_from_slice(&[0, questions, 0, 0, 0, 0, 0, 0]);
    response
}

/// Octets as numbers of 16 bits.
fn words<const N: usize, const M: usize>(octets: &[u8; N]) -> [u16; M] {
    core::array::from_fn(|n| u16::from_be_bytes([octets[2 * n], octets[2 * n + 1]]))
}
