//! Where the RDATA of a type has domain names that a sender may have compressed.

use crate::record::RecordType;

/// RDATA that begins with `fixed` octets and `names` domain names. Whatever follows has no name.
pub(super) struct Layout {
    pub(super) fixed: usize,
    pub(super) names: usize,
}

impl Layout {
    /// The layout of the types whose names a receiver has to decompress (RFC 3597 §4). Types that
    /// came later are opaque: nobody may compress in them.
    pub(super) fn of(rtype: RecordType) -> Option<Self> {
        let (fixed, names) = match rtype.0 {
            // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
            2..=5 | 7..=9 | 12 | 39 => (0, 1),
            // SOA, MINFO, RP
            6 | 14 | 17 => (0, 2),
            // MX, AFSDB, RT, KX
            15 | 18 | 21 | 36 => (2, 1),
            // PX
            26 => (2, 2),
            // SRV
            33 => (6, 1),
            _ => return None,
        };
        Some(Self { fixed, names })
    }

    /// Whether a sender may compress them: in the types of RFC 1035 alone (RFC 3597 §4).
    pub(super) fn may_compress(rtype: RecordType) -> bool {
        rtype <= RecordType::TXT
    }
}
