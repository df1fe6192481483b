//! Domain names in messages. Hickory follows the compression pointers (RFC 1035 §4.1.4), and
//! remembers where names that were written can be pointed to.

use hickory_proto::rr::Name as HickoryName;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};

use crate::name::Name;

/// What tells a pointer from a label.
const POINTER: u16 = 0xc000;

/// Reads a name, compressed or not.
pub(super) fn read(decoder: &mut BinDecoder<'_>) -> Result<Name, String> {
    if let Some(name) = read_whole(decoder) {
        return Ok(name);
    }
    let name = HickoryName::read(decoder).map_err(|error| error.to_string())?;
    let mut wire = Vec::with_capacity(name.len() + 1);
    for label in name.iter() {
        let length = u8::try_from(label.len()).map_err(|error| error.to_string())?;
        wire.push(length);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).map_err(|error| error.to_string())
}

/// Reads a name if it is not compressed, as those in most requests are: hickory's way of reading
/// takes most of the time of an answer.
fn read_whole(decoder: &mut BinDecoder<'_>) -> Option<Name> {
    let mut ahead = decoder.clone(u16::try_from(decoder.index()).ok()?);
    let rest = ahead.read_slice(decoder.len()).ok()?.unverified();
    let (name, _behind) = Name::split_from(rest).ok()?;
    decoder.read_slice(name.wire().len()).ok()?;
    Some(name)
}

/// Writes a name, its end replaced by a pointer when the message has it already.
///
/// # Errors
/// The message has no room for it; the encoder is to be rolled back.
pub(super) fn write(encoder: &mut BinEncoder<'_>, name: &Name) -> Result<(), Full> {
    let mut label_at = encoder.offset();
    encoder.emit_vec(name.wire()).map_err(|_full| Full)?;
    let end = encoder.offset();
    for label in name.labels() {
        let known = encoder.get_label_pointer(label_at, end);
        if let Some(known) = known.filter(|known| known & POINTER == 0) {
            encoder.set_offset(label_at);
            encoder.trim();
            return encoder.emit_u16(POINTER | known).map_err(|_full| Full);
        }
        encoder.store_label_pointer(label_at, end);
        label_at += 1 + label.len();
    }
    Ok(())
}

/// The message has no room left.
#[derive(Debug)]
pub(super) struct Full;
