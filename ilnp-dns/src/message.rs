//! DNS messages (RFC 1035 §4, RFC 6891) as this crate uses them.

use crate::name::Name;
use crate::record::{Class, Record, RecordType};

/// What a message asks for (RFC 1035 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A standard query.
    pub const QUERY: Self = Self(0);
    /// A zone changed (RFC 1996).
    pub const NOTIFY: Self = Self(4);
    /// A dynamic update (RFC 2136).
    pub const UPDATE: Self = Self(5);
}

/// How a request went, with the upper bits that EDNS or TSIG give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rcode(pub u16);

#[expect(missing_docs, reason = "the names are those of the RFCs")]
impl Rcode {
    pub const NOERROR: Self = Self(0);
    pub const FORMERR: Self = Self(1);
    pub const SERVFAIL: Self = Self(2);
    pub const NXDOMAIN: Self = Self(3);
    pub const NOTIMP: Self = Self(4);
    pub const REFUSED: Self = Self(5);
    pub const YXDOMAIN: Self = Self(6);
    pub const YXRRSET: Self = Self(7);
    pub const NXRRSET: Self = Self(8);
    pub const NOTAUTH: Self = Self(9);
    pub const NOTZONE: Self = Self(10);
    pub const BADVERS: Self = Self(16);
    pub const BADSIG: Self = Self(16);
    pub const BADKEY: Self = Self(17);
    pub const BADTIME: Self = Self(18);
    pub const BADTRUNC: Self = Self(22);
}

/// An entry of the question section; in updates, the zone (RFC 2136 §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name that is asked for.
    pub name: Name,
    /// The type that is asked for.
    pub rtype: RecordType,
    /// The class that is asked for.
    pub class: Class,
}

/// What the OPT record says (RFC 6891 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The version; everything but 0 is answered with BADVERS (§6.1.3).
    pub version: u8,
    /// The largest UDP payload that the sender can take.
    pub udp_payload: u16,
    /// Whether DNSSEC records are wanted (RFC 3225).
    pub dnssec_ok: bool,
}

/// A message. In an update the sections are the zone, the prerequisites, the updates and the
/// additional data (RFC 2136 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The identifier.
    pub id: u16,
    /// Whether this is a response.
    pub response: bool,
    /// What is asked for.
    pub opcode: Opcode,
    /// AA.
    pub authoritative: bool,
    /// TC.
    pub truncated: bool,
    /// RD.
    pub recursion_desired: bool,
    /// RA.
    pub recursion_available: bool,
    /// AD.
    pub authentic_data: bool,
    /// CD.
    pub checking_disabled: bool,
    /// How it went.
    pub rcode: Rcode,
    /// The question section.
    pub questions: Vec<Question>,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section.
    pub authorities: Vec<Record>,
    /// The additional section without OPT and TSIG.
    pub additionals: Vec<Record>,
    /// The OPT record.
    pub edns: Option<Edns>,
}

/// Why octets are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Fewer octets than the header has. Nothing to answer: not even the identifier is sure.
    #[error("{0} octets are fewer than the 12 of a header")]
    Header(usize),
    /// A section cannot be read.
    #[error("the {section} section cannot be read: {reason}")]
    Section {
        /// Which one.
        section: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Octets follow the last record.
    #[error("{0} octets follow the last record")]
    Trailing(usize),
}

impl Message {
    /// A message of no content: a request with this identifier and opcode.
    pub fn request(id: u16, opcode: Opcode) -> Self {
        Self {
            id,
            response: false,
            opcode,
            authoritative: false,
            truncated: false,
            recursion_desired: false,
            recursion_available: false,
            authentic_data: false,
            checking_disabled: false,
            rcode: Rcode::NOERROR,
            questions: Vec::new(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            edns: None,
        }
    }
}
