//! Domain names in messages. Hickory follows and makes the compression pointers (RFC 1035 §4.1.4).

use hickory_proto::rr::Name as HickoryName;
use hickory_proto::serialize::binary::{
    BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder,
};

use crate::name::Name;

/// Reads a name, compressed or not.
pub(super) fn read(decoder: &mut BinDecoder<'_>) -> Result<Name, String> {
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

/// Writes a name, its end replaced by a pointer when the message has it already.
///
/// # Errors
/// The message has no room for it; the encoder is to be rolled back.
pub(super) fn write(encoder: &mut BinEncoder<'_>, name: &Name) -> Result<(), Full> {
    HickoryName::read(&mut BinDecoder::new(name.wire()))
        .map_err(|_impossible| Full)?
        .emit(encoder)
        .map_err(|_full| Full)
}

/// The message has no room left.
#[derive(Debug)]
pub(super) struct Full;
