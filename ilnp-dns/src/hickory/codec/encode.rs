//! [`Message`] to octets.

use hickory_proto::serialize::binary::BinEncoder;

use super::layout::Layout;
use super::name::Full;
use super::{DNSSEC_OK, flag, name};
use crate::message::{Edns, Message, Question};
use crate::name::Name;
use crate::record::{Record, RecordType};

/// Octets of an OPT record without options.
const OPT: u16 = 11;

impl Message {
    /// Writes the message in at most `limit` octets (at most 65,535).
    ///
    /// Without room for a question, an answer or an authority the rest is left out and TC is set.
    /// Additional records are left out a record set at a time, without TC (RFC 2181 §9), but for
    /// the glue of a referral, without which it is of no use (RFC 9471 §3). The header and OPT are
    /// always written, so that a `limit` below 23 octets is exceeded.
    pub fn to_wire(&self, limit: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut writer = Writer::new(&mut wire);
        writer.room(u16::try_from(limit).unwrap_or(u16::MAX), self.edns.as_ref());

        let questions = writer.all(&self.questions, write_question);
        let answers = writer.all(&self.answers, write_record);
        let authorities = writer.all(&self.authorities, write_record);
        let before_additionals = writer.truncated;
        let mut additionals = writer.record_sets(&self.additionals);
        writer.truncated = before_additionals || (writer.truncated && self.is_referral());
        if let Some(edns) = &self.edns {
            additionals += writer.opt(edns, self.rcode.0);
        }

        let flags = self.flags(writer.truncated);
        let header = [self.id, flags, questions, answers, authorities, additionals];
        for (place, word) in wire.chunks_exact_mut(2).zip(header) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        wire
    }

    fn is_referral(&self) -> bool {
        self.response && !self.authoritative && self.answers.is_empty()
    }

    /// The second word of the header.
    fn flags(&self, truncated: bool) -> u16 {
        let flags = [
            (self.response, flag::RESPONSE),
            (self.authoritative, flag::AUTHORITATIVE),
            (self.truncated || truncated, flag::TRUNCATED),
            (self.recursion_desired, flag::RECURSION_DESIRED),
            (self.recursion_available, flag::RECURSION_AVAILABLE),
            (self.authentic_data, flag::AUTHENTIC_DATA),
            (self.checking_disabled, flag::CHECKING_DISABLED),
        ];
        let set = flags.iter().filter(|(set, _flag)| *set);
        let set = set.fold(0, |word, (_set, flag)| word | flag);
        set | u16::from(self.opcode.0 & 0xf) << 11 | self.rcode.0 & 0xf
    }
}

/// Writes items as long as there is room.
struct Writer<'a> {
    encoder: BinEncoder<'a>,
    /// Something was left out.
    truncated: bool,
}

impl<'a> Writer<'a> {
    /// A writer behind the place of the header.
    fn new(wire: &'a mut Vec<u8>) -> Self {
        let mut encoder = BinEncoder::new(wire);
        // Nothing limits the encoder yet.
        let _written = encoder.emit_vec(&[0; 12]);
        Self {
            encoder,
            truncated: false,
        }
    }

    /// Limits the message, with room kept for OPT.
    fn room(&mut self, limit: u16, edns: Option<&Edns>) {
        let reserved = edns.map_or(0, |_opt| OPT);
        self.encoder.set_max_size(limit.saturating_sub(reserved));
    }

    /// Writes items up to the first that does not fit; none after something was left out.
    fn all<T>(
        &mut self,
        items: &[T],
        write: impl Fn(&mut BinEncoder<'_>, &T) -> Result<(), Full>,
    ) -> u16 {
        let mut count = 0;
        for item in items {
            self.truncated = self.truncated || !self.one(|encoder| write(encoder, item));
            if self.truncated {
                break;
            }
            count += 1;
        }
        count
    }

    /// Writes the record sets that fit as a whole.
    fn record_sets(&mut self, records: &[Record]) -> u16 {
        let mut count = 0;
        for set in records.chunk_by(|one, next| one.rtype == next.rtype && one.name == next.name) {
            let write = |encoder: &mut BinEncoder<'_>| {
                set.iter()
                    .try_for_each(|record| write_record(encoder, record))
            };
            let length = u16::try_from(set.len()).unwrap_or(u16::MAX);
            match !self.truncated && self.one(write) {
                true => count += length,
                false => self.truncated = true,
            }
        }
        count
    }

    /// Writes everything that `write` writes, or nothing. Whether it fitted.
    fn one(&mut self, write: impl FnOnce(&mut BinEncoder<'_>) -> Result<(), Full>) -> bool {
        let start = self.encoder.offset();
        let written = write(&mut self.encoder).is_ok();
        if !written {
            self.encoder.set_offset(start);
            self.encoder.trim();
        }
        written
    }

    /// Writes the OPT record, for which [`Self::room`] kept room. How many records this was.
    fn opt(&mut self, edns: &Edns, rcode: u16) -> u16 {
        self.encoder.set_max_size(u16::MAX);
        let dnssec_ok = if edns.dnssec_ok { DNSSEC_OK } else { 0 };
        let ttl = u32::from(rcode >> 4 & 0xff) << 24 | u32::from(edns.version) << 16 | dnssec_ok;
        u16::from(self.one(|encoder| {
            emit(encoder, &[0])?;
            emit(encoder, &RecordType::OPT.0.to_be_bytes())?;
            emit(encoder, &edns.udp_payload.to_be_bytes())?;
            emit(encoder, &ttl.to_be_bytes())?;
            emit(encoder, &[0, 0])
        }))
    }
}

fn write_question(encoder: &mut BinEncoder<'_>, question: &Question) -> Result<(), Full> {
    name::write(encoder, &question.name)?;
    emit(encoder, &question.rtype.0.to_be_bytes())?;
    emit(encoder, &question.class.0.to_be_bytes())
}

fn write_record(encoder: &mut BinEncoder<'_>, record: &Record) -> Result<(), Full> {
    name::write(encoder, &record.name)?;
    emit(encoder, &record.rtype.0.to_be_bytes())?;
    emit(encoder, &record.class.0.to_be_bytes())?;
    emit(encoder, &record.ttl.to_be_bytes())?;

    let length = encoder.place::<u16>().map_err(|_full| Full)?;
    match Names::of(record) {
        Some(names) => names.write(encoder)?,
        None => emit(encoder, &record.rdata)?,
    }
    let written = u16::try_from(encoder.len_since_place(&length)).map_err(|_too_long| Full)?;
    length.replace(encoder, written).map_err(|_full| Full)
}

/// RDATA with names that may be compressed.
struct Names<'a> {
    fixed: &'a [u8],
    names: Vec<Name>,
    rest: &'a [u8],
}

impl<'a> Names<'a> {
    /// `None` for a type without such names, and for RDATA that is not as its type has it.
    fn of(record: &'a Record) -> Option<Self> {
        if !Layout::may_compress(record.rtype) {
            return None;
        }
        let layout = Layout::of(record.rtype)?;
        let (fixed, mut rest) = record.rdata.split_at_checked(layout.fixed)?;
        let mut names = Vec::new();
        for _ in 0..layout.names {
            let (name, behind) = Name::split_from(rest).ok()?;
            names.push(name);
            rest = behind;
        }
        Some(Self { fixed, names, rest })
    }

    fn write(&self, encoder: &mut BinEncoder<'_>) -> Result<(), Full> {
        emit(encoder, self.fixed)?;
        for name in &self.names {
            name::write(encoder, name)?;
        }
        emit(encoder, self.rest)
    }
}

fn emit(encoder: &mut BinEncoder<'_>, octets: &[u8]) -> Result<(), Full> {
    encoder.emit_vec(octets).map_err(|_full| Full)
}
