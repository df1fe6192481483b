//! RDATA as people write it, for the types that this crate does not read itself.

use hickory_proto::rr::{RData, RecordType as Type};
use hickory_proto::serialize::binary::BinEncodable as _;

use crate::record::RecordType;

/// The type with a mnemonic.
pub(crate) fn record_type(mnemonic: &str) -> Option<RecordType> {
    let rtype: Type = mnemonic.to_ascii_uppercase().parse().ok()?;
    readable(rtype).then(|| RecordType(rtype.into()))
}

/// Which word of the RDATA is a name, of those that [`rdata`] takes in full alone.
pub(crate) fn name_index(rtype: RecordType) -> Option<usize> {
    match Type::from(rtype.0) {
        Type::NAPTR => Some(5),
        Type::SVCB | Type::HTTPS => Some(1),
        _ => None,
    }
}

/// Reads RDATA.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn rdata(rtype: RecordType, text: &str) -> Result<Vec<u8>, String> {
    let rtype = Type::from(rtype.0);
    if !readable(rtype) {
        return Err("this type is not read as text".to_owned());
    }
    let rdata = RData::try_from_str(rtype, text).map_err(|error| error.to_string())?;
    rdata.to_bytes().map_err(|error| error.to_string())
}

/// Whether hickory reads a type, and reads it right.
fn readable(rtype: Type) -> bool {
    matches!(
        rtype,
        Type::CAA
            | Type::CERT
            | Type::CSYNC
            | Type::DS
            | Type::HINFO
            | Type::HTTPS
            | Type::NAPTR
            | Type::OPENPGPKEY
            | Type::SMIMEA
            | Type::SSHFP
            | Type::SVCB
            | Type::TLSA
    )
}
