//! The way from a zone's apex down to a name, and hashes of the names on it.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use crate::name::Name;

/// Labels that a name has at most, without the root.
const MAX_LABELS: usize = 127;
/// Octets of the longest label with its length.
const MAX_LABEL: usize = 64;

/// The names on the way from an origin to a name below it.
pub(super) struct Path<'a> {
    wire: &'a [u8],
    /// Where the labels below the origin begin.
    starts: [u8; MAX_LABELS],
    labels: usize,
}

impl<'a> Path<'a> {
    /// The way to a name; `None` unless it is the origin or below it.
    pub(super) fn new(origin: &Name, name: &'a Name) -> Option<Self> {
        let wire = name.wire();
        let end = wire.len().checked_sub(origin.wire().len())?;
        let (mut starts, mut labels, mut start) = ([0; MAX_LABELS], 0, 0_u8);
        while usize::from(start) < end {
            starts[labels] = start;
            labels += 1;
            start += 1 + wire[usize::from(start)];
        }
        let within = usize::from(start) == end && wire[end..].eq_ignore_ascii_case(origin.wire());
        within.then_some(Self {
            wire,
            starts,
            labels,
        })
    }

    /// The names below the origin in wire form, the one next to the origin first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        let starts = self.starts[..self.labels].iter().rev();
        starts.map(|&start| &self.wire[usize::from(start)..])
    }

    /// How many labels the name has more than the origin.
    pub(super) fn labels(&self) -> usize {
        self.labels
    }

    /// The hash of the name.
    pub(super) fn hash(&self, keys: &RandomState) -> u64 {
        let origin = Hashing::of_origin(keys);
        self.names()
            .fold(origin, |above, name| above.below(name))
            .finish()
    }
}

/// The hash of a name, which is that of the name above it with one more label.
#[derive(Clone)]
pub(super) struct Hashing(DefaultHasher);

impl Hashing {
    pub(super) fn of_origin(keys: &RandomState) -> Self {
        Self(keys.build_hasher())
    }

    /// The hash of a name that has one label more, the first one of `name`.
    pub(super) fn below(&self, name: &[u8]) -> Self {
        let length = name.first().map_or(0, |&length| 1 + usize::from(length));
        let mut folded = [0; MAX_LABEL];
        let folded = &mut folded[..length];
        folded.copy_from_slice(&name[..length]);
        folded.make_ascii_lowercase();
        let mut hasher = self.0.clone();
        hasher.write(folded);
        Self(hasher)
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_leads_down() {
        let (origin, below) = (name("example.org."), name("a.b.EXAMPLE.org."));
        let path = Path::new(&origin, &below).unwrap();
        let names: Vec<Name> = (path.names().map(Name::from_wire))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(names, [name("b.example.org."), below.clone()]);
        assert_eq!(Path::new(&origin, &origin).unwrap().labels(), 0);
        assert_eq!(Path::new(&Name::root(), &below).unwrap().labels(), 4);
    }

    #[test]
    fn names_elsewhere_have_no_path() {
        for elsewhere in [
            "org.",
            "example.com.",
            r"a\007example.org.",
            "xexample.org.",
        ] {
            assert!(Path::new(&name("example.org."), &name(elsewhere)).is_none());
        }
    }

    #[test]
    fn hashes_do_not_depend_on_case() {
        let keys = RandomState::new();
        let hash = |text| Path::new(&name("org."), &name(text)).unwrap().hash(&keys);
        assert_eq!(hash("A.b.org."), hash("a.B.ORG."));
        assert_ne!(hash("a.b.org."), hash("b.a.org."));
        assert_ne!(hash("a.b.org."), hash("ab.org."));
    }
}
