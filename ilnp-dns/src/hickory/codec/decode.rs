//! Octets to [`Message`].

use bytes::Bytes;
use hickory_proto::serialize::binary::BinDecoder;

use super::layout::Layout;
use super::{DNSSEC_OK, flag, name};
use crate::message::{Edns, Message, MessageError, Opcode, Question, Rcode};
use crate::record::{Class, Record, RecordType};

impl Message {
    /// Reads a message.
    ///
    /// The OPT record goes into [`Message::edns`] and the upper bits of [`Message::rcode`]. A TSIG
    /// record must be the last; it is left out, since [`crate::tsig`] works on the octets.
    ///
    /// # Errors
    /// [`MessageError`]; a server answers all but [`MessageError::Header`] with FORMERR.
    pub fn from_wire(wire: &[u8]) -> Result<Self, MessageError> {
        let mut decoder = BinDecoder::new(wire);
        let header = Header::read(&mut decoder).map_err(|_| MessageError::Header(wire.len()))?;
        let [questions, answers, authorities, additionals] = header.counts;

        let mut message = header.message();
        message.questions = section("question", questions, || read_question(&mut decoder))?;
        message.answers = section("answer", answers, || read_data(&mut decoder))?;
        message.authorities = section("authority", authorities, || read_data(&mut decoder))?;
        let extra = section("additional", additionals, || read_record(&mut decoder))?;
        match decoder.len() {
            0 => message.take_additionals(extra)?,
            trailing => return Err(MessageError::Trailing(trailing)),
        }
        Ok(message)
    }

    /// Sorts OPT and TSIG out of the additional section.
    fn take_additionals(&mut self, mut records: Vec<Record>) -> Result<(), MessageError> {
        records.pop_if(|last| last.rtype == RecordType::TSIG);
        for record in records {
            match record.rtype {
                RecordType::TSIG => return Err(misplaced("TSIG is not the last record")),
                RecordType::OPT => self.take_opt(&record)?,
                _ => self.additionals.push(record),
            }
        }
        Ok(())
    }

    /// Reads the fields that OPT keeps in the places of class and TTL (RFC 6891 §6.1.2).
    fn take_opt(&mut self, opt: &Record) -> Result<(), MessageError> {
        if self.edns.is_some() {
            return Err(misplaced("there are two OPT records"));
        }
        if opt.name.wire() != [0] {
            return Err(misplaced("the OPT record is not owned by the root"));
        }
        let [extended_rcode, version, ..] = opt.ttl.to_be_bytes();
        self.rcode.0 |= u16::from(extended_rcode) << 4;
        self.edns = Some(Edns {
            version,
            udp_payload: opt.class.0,
            dnssec_ok: opt.ttl & DNSSEC_OK != 0,
        });
        Ok(())
    }
}

fn misplaced(reason: &str) -> MessageError {
    MessageError::Section {
        section: "additional",
        reason: reason.to_owned(),
    }
}

pub(super) struct Header {
    id: u16,
    flags: u16,
    pub(super) counts: [u16; 4],
}

impl Header {
    pub(super) fn read(decoder: &mut BinDecoder<'_>) -> Result<Self, String> {
        let [id, flags] = [read_u16(decoder)?, read_u16(decoder)?];
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = read_u16(decoder)?;
        }
        Ok(Self { id, flags, counts })
    }

    /// A message with its fields and no records.
    fn message(&self) -> Message {
        let [upper, lower] = self.flags.to_be_bytes();
        let is = |flag| self.flags & flag != 0;
        Message {
            response: is(flag::RESPONSE),
            authoritative: is(flag::AUTHORITATIVE),
            truncated: is(flag::TRUNCATED),
            recursion_desired: is(flag::RECURSION_DESIRED),
            recursion_available: is(flag::RECURSION_AVAILABLE),
            authentic_data: is(flag::AUTHENTIC_DATA),
            checking_disabled: is(flag::CHECKING_DISABLED),
            rcode: Rcode(u16::from(lower & 0xf)),
            ..Message::request(self.id, Opcode(upper >> 3 & 0xf))
        }
    }
}

/// Reads `count` items. A count says nothing about the length of the message, so it reserves nothing.
fn section<T>(
    section: &'static str,
    count: u16,
    mut read: impl FnMut() -> Result<T, String>,
) -> Result<Vec<T>, MessageError> {
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read().map_err(|reason| MessageError::Section { section, reason })?);
    }
    Ok(items)
}

fn read_question(decoder: &mut BinDecoder<'_>) -> Result<Question, String> {
    Ok(Question {
        name: name::read(decoder)?,
        rtype: RecordType(read_u16(decoder)?),
        class: Class(read_u16(decoder)?),
    })
}

/// Reads a record of a section that has neither OPT nor TSIG.
fn read_data(decoder: &mut BinDecoder<'_>) -> Result<Record, String> {
    let record = read_record(decoder)?;
    match record.rtype {
        RecordType::OPT | RecordType::TSIG => Err(format!("{} is not allowed here", record.rtype)),
        _ => Ok(record),
    }
}

pub(super) fn read_record(decoder: &mut BinDecoder<'_>) -> Result<Record, String> {
    let name = name::read(decoder)?;
    let rtype = RecordType(read_u16(decoder)?);
    let class = Class(read_u16(decoder)?);
    let ttl = u32::from(read_u16(decoder)?) << 16 | u32::from(read_u16(decoder)?);
    let length = usize::from(read_u16(decoder)?);
    let rdata = match Layout::of(rtype) {
        // Updates have records without RDATA, of any type (RFC 2136 §2.4, §2.5).
        Some(layout) if length != 0 => decompressed(decoder, &layout, length)?.into(),
        _ => Bytes::copy_from_slice(read_slice(decoder, length)?),
    };
    Ok(Record {
        name,
        rtype,
        class,
        ttl,
        rdata,
    })
}

/// Reads RDATA with its names made whole.
fn decompressed(
    decoder: &mut BinDecoder<'_>,
    layout: &Layout,
    length: usize,
) -> Result<Vec<u8>, String> {
    let end = decoder.index() + length;
    let mut rdata = read_slice(decoder, layout.fixed)?.to_vec();
    for _ in 0..layout.names {
        rdata.extend_from_slice(name::read(decoder)?.wire());
    }
    let rest = end
        .checked_sub(decoder.index())
        .ok_or("a name does not fit into the length of its RDATA")?;
    rdata.extend_from_slice(read_slice(decoder, rest)?);
    Ok(rdata)
}

pub(super) fn read_u16(decoder: &mut BinDecoder<'_>) -> Result<u16, String> {
    let octets = read_slice(decoder, 2)?;
    Ok(u16::from_be_bytes([octets[0], octets[1]]))
}

pub(super) fn read_slice<'a>(
    decoder: &mut BinDecoder<'a>,
    length: usize,
) -> Result<&'a [u8], String> {
    let slice = decoder
        .read_slice(length)
        .map_err(|error| error.to_string())?;
    Ok(slice.unverified())
}
