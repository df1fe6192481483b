//! The last record of a message, and where it begins: the place of a TSIG (RFC 8945 §5.2).

use hickory_proto::serialize::binary::BinDecoder;

use super::decode::{Header, read_record, read_slice, read_u16};
use crate::message::MessageError;
use crate::record::Record;

/// The last additional record with the octet at which it begins.
///
/// # Errors
/// [`MessageError`], as far as the message has to be read for this.
pub(crate) fn last_additional(wire: &[u8]) -> Result<Option<(usize, Record)>, MessageError> {
    let mut decoder = BinDecoder::new(wire);
    let header = Header::read(&mut decoder).map_err(|_| MessageError::Header(wire.len()))?;
    let [questions, answers, authorities, additionals] = header.counts.map(u32::from);
    if additionals == 0 {
        return Ok(None);
    }
    let failed = |reason| MessageError::Section {
        section: "additional",
        reason,
    };
    for _ in 0..questions {
        skip_name(&mut decoder).map_err(failed)?;
        read_slice(&mut decoder, 4).map_err(failed)?;
    }
    for _ in 1..answers + authorities + additionals {
        skip_record(&mut decoder).map_err(failed)?;
    }
    let start = decoder.index();
    let record = read_record(&mut decoder).map_err(failed)?;
    match decoder.len() {
        0 => Ok(Some((start, record))),
        trailing => Err(MessageError::Trailing(trailing)),
    }
}

fn skip_record(decoder: &mut BinDecoder<'_>) -> Result<(), String> {
    skip_name(decoder)?;
    read_slice(decoder, 8)?;
    let length = read_u16(decoder)?;
    read_slice(decoder, length.into()).map(|_rdata| ())
}

/// Skips a name without following its pointer, with which a name ends.
fn skip_name(decoder: &mut BinDecoder<'_>) -> Result<(), String> {
    loop {
        match read_slice(decoder, 1)?[0] {
            0 => return Ok(()),
            length @ 1..=63 => read_slice(decoder, length.into())?,
            0xc0.. => return read_slice(decoder, 1).map(|_pointer| ()),
            other => return Err(format!("{other:#04x} is no length of a label")),
        };
    }
}
