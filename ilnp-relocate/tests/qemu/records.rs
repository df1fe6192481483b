//! The records that the guest writes to its disk: each is a sector, and the newest lie in a ring.

/// How many records are kept.
pub(crate) const RECORDS: u64 = 4096;

/// What the sector of a record holds.
pub(crate) fn record(number: u64) -> [u8; 512] {
    let mut sector = [0; 512];
    let text = format!("record {number:08}\n");
    sector[..text.len()].copy_from_slice(text.as_bytes());
    sector
}

/// The records that the ring holds when this one is the last, each with the place of its sector.
pub(crate) fn records(last: u64) -> impl Iterator<Item = (u64, u64)> {
    let first = last.saturating_sub(RECORDS - 1).max(1);
    (first..=last).map(|number| (number, number % RECORDS * 512))
}
