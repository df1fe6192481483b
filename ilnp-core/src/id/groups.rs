//! How RFC 6742 writes 64 bits.

use core::fmt;
use core::str::FromStr;

/// 64 bits as four groups of hex digits, `2001:0db8:1140:1000` (RFC 6742 §2.1.2, §2.3.2).
///
/// Written with four lower-case digits in each group; one to four digits in either case are read,
/// `::` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Groups(pub u64);

/// A text that is not four groups of hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not four groups of one to four hex digits with colons between, as 2001:0db8:1140:1000")]
pub struct NotGroups;

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = [48, 32, 16, 0].map(|shift| (self.0 >> shift) & 0xffff);
        write!(f, "{a:04x}:{b:04x}:{c:04x}:{d:04x}")
    }
}

impl FromStr for Groups {
    type Err = NotGroups;

    fn from_str(text: &str) -> Result<Self, NotGroups> {
        let mut bits = 0u64;
        let mut groups = 0;
        for group in text.split(':') {
            groups += 1;
            let digits = !group.is_empty() && group.bytes().all(|b| b.is_ascii_hexdigit());
            if groups > 4 || group.len() > 4 || !digits {
                return Err(NotGroups);
            }
            let value = u16::from_str_radix(group, 16).map_err(|_| NotGroups)?;
            bits = bits << 16 | u64::from(value);
        }
        if groups == 4 {
            Ok(Self(bits))
        } else {
            Err(NotGroups)
        }
    }
}
