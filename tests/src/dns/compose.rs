//! Messages, octet by octet.

const HEADER: usize = 12;
/// The opcode of dynamic updates (RFC 2136 §2.2).
const UPDATE: u8 = 5;

/// A name on the wire, uncompressed; without a dot at its end.
///
/// # Panics
/// When a label is longer than 255 octets.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = vec![];
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).expect("a label"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A question for the records of a type, without recursion.
pub fn query(id: u16, owner: &str, rtype: u16) -> Vec<u8> {
    let mut message = header(id, 0, [1, 0, 0, 0]);
    message.extend(question(owner, rtype));
    message
}

/// An entry of the question section, class IN.
pub fn question(owner: &str, rtype: u16) -> Vec<u8> {
    let mut wire = name(owner);
    wire.extend(rtype.to_be_bytes());
    wire.extend(super::class::IN.to_be_bytes());
    wire
}

/// A resource record.
///
/// # Panics
/// When the data does not fit into its length.
pub fn record(owner: &str, rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut wire = name(owner);
    wire.extend(rtype.to_be_bytes());
    wire.extend(class.to_be_bytes());
    wire.extend(ttl.to_be_bytes());
    let length = u16::try_from(rdata.len()).expect("record data");
    wire.extend(length.to_be_bytes());
    wire.extend(rdata);
    wire
}

/// An update of a zone (RFC 2136 §2): prerequisites, then changes, each made by [`record`].
///
/// # Panics
/// When there are more than 65,535 of them.
pub fn update(id: u16, zone: &str, prerequisites: &[Vec<u8>], changes: &[Vec<u8>]) -> Vec<u8> {
    let count = |records: &[Vec<u8>]| u16::try_from(records.len()).expect("a count");
    let counts = [1, count(prerequisites), count(changes), 0];
    let mut message = header(id, UPDATE, counts);
    message.extend(question(zone, super::rtype::SOA));
    message.extend(prerequisites.concat());
    message.extend(changes.concat());
    message
}

/// A change that removes all records of a type.
pub fn delete(owner: &str, rtype: u16) -> Vec<u8> {
    record(owner, rtype, super::class::ANY, 0, &[])
}

/// A change that adds a record.
pub fn add(owner: &str, rtype: u16, rdata: &[u8]) -> Vec<u8> {
    record(owner, rtype, super::class::IN, 5, rdata)
}

/// The data of an L64 or NID record (RFC 6742 §2.1, §2.3).
pub fn preferred(preference: u16, value: u64) -> Vec<u8> {
    let mut wire = preference.to_be_bytes().to_vec();
    wire.extend(value.to_be_bytes());
    wire
}

/// The header of a request; the counts are those of question, answer, authority and additional.
pub fn header(id: u16, opcode: u8, counts: [u16; 4]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER);
    message.extend(id.to_be_bytes());
    message.extend([opcode << 3, 0]);
    counts
        .iter()
        .for_each(|count| message.extend(count.to_be_bytes()));
    message
}
