//! What an answer says.

use anyhow::{Context as _, ensure};

use super::{compose, rtype};

const HEADER: usize = 12;
/// More pointers than this in one name are a loop.
const MAX_POINTERS: usize = 64;

/// An answer, taken apart.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The identifier.
    pub id: u16,
    /// The two octets of flags.
    pub flags: u16,
    /// Answers, authorities and additional records.
    pub sections: [Vec<Record>; 3],
}

/// A record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The owner in lower case, without a dot at its end.
    pub owner: String,
    /// The type.
    pub rtype: u16,
    /// The class.
    pub class: u16,
    /// The TTL in seconds.
    pub ttl: u32,
    /// The data as it came; of NS, CNAME and SOA records with the names in it uncompressed.
    pub rdata: Vec<u8>,
}

impl Answer {
    /// Reads all of a message.
    ///
    /// # Errors
    /// When it is cut short, has octets too many, or is no response.
    pub fn read(message: &[u8]) -> anyhow::Result<Self> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        ensure!(flags & 0x8000 != 0, "not a response");
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = reader.u16()?;
        }
        for _ in 0..counts[0] {
            reader.name()?;
            reader.take(4)?;
        }
        let mut sections = [vec![], vec![], vec![]];
        for (section, &count) in sections.iter_mut().zip(&counts[1..]) {
            for _ in 0..count {
                section.push(reader.record()?);
            }
        }
        ensure!(reader.at == message.len(), "octets follow the message");
        Ok(Self {
            id,
            flags,
            sections,
        })
    }

    /// The response code of the header.
    pub fn rcode(&self) -> u16 {
        self.flags & 0x0f
    }

    /// Whether it was too long for the way that it took.
    pub fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// Whether the server is authoritative.
    pub fn is_authoritative(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    /// The data of the answers of a type, sorted.
    pub fn data(&self, rtype: u16) -> Vec<&[u8]> {
        let records = self.sections[0].iter();
        let records = records.filter(|record| record.rtype == rtype);
        let mut data: Vec<_> = records.map(|record| record.rdata.as_slice()).collect();
        data.sort_unstable();
        data
    }

    /// The error that its TSIG record tells; `None` without one.
    pub fn tsig_error(&self) -> Option<u16> {
        let record = self.sections[2].last()?;
        if record.rtype != rtype::TSIG {
            return None;
        }
        let mut reader = Reader {
            message: &record.rdata,
            at: 0,
        };
        reader.name().ok()?;
        reader.take(8).ok()?;
        let mac = reader.u16().ok()?;
        reader.take(mac.into()).ok()?;
        reader.take(2).ok()?;
        reader.u16().ok()
    }
}

/// The response code and the number of answers, of a message as it came; without looking further.
pub fn outline(message: &[u8]) -> Option<(u16, u16)> {
    let header = message.get(..HEADER)?;
    let rcode = u16::from(header[3] & 0x0f);
    (header[2] & 0x80 != 0).then(|| (rcode, u16::from_be_bytes([header[6], header[7]])))
}

/// How many names, which may be compressed, the data of a type begins with.
fn names_in(kind: u16) -> usize {
    match kind {
        rtype::NS | rtype::CNAME => 1,
        rtype::SOA => 2,
        _ => 0,
    }
}

/// A place in a message.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> anyhow::Result<&'a [u8]> {
        let found = self.message.get(self.at..self.at + octets);
        self.at += octets;
        found.context("cut short")
    }

    fn u16(&mut self) -> anyhow::Result<u16> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    fn record(&mut self) -> anyhow::Result<Record> {
        let owner = self.name()?;
        let (rtype, class) = (self.u16()?, self.u16()?);
        let ttl = (u32::from(self.u16()?) << 16) | u32::from(self.u16()?);
        let length = usize::from(self.u16()?);
        let end = self.at + length;
        let mut rdata = vec![];
        for _ in 0..names_in(rtype).min(length) {
            rdata.extend(compose::name(&self.name()?));
        }
        let rest = end
            .checked_sub(self.at)
            .context("a name ends behind its record")?;
        rdata.extend(self.take(rest)?);
        Ok(Record {
            owner,
            rtype,
            class,
            ttl,
            rdata,
        })
    }

    fn name(&mut self) -> anyhow::Result<String> {
        let mut labels = vec![];
        let mut behind = None;
        let mut pointers = 0;
        loop {
            let length = self.take(1)?[0];
            if length & 0xc0 == 0xc0 {
                let low = self.take(1)?[0];
                behind.get_or_insert(self.at);
                self.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                pointers += 1;
                ensure!(pointers < MAX_POINTERS, "a loop of pointers");
                continue;
            }
            if length == 0 {
                break;
            }
            let label = self.take(length.into())?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        }
        self.at = behind.unwrap_or(self.at);
        Ok(labels.join("."))
    }
}
