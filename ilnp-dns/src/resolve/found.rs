//! A correspondent as DNS describes it.

use std::collections::HashSet;

use ilnp_core::id::{Locator, Nid, Preference};

use super::{Records, WithTtl};
use crate::name::Name;
use crate::rdata;

/// A correspondent that speaks ILNP, as the records of its name say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name that was asked for: what to ask for again when the correspondent is lost.
    pub name: Name,
    /// The most preferred identifier that a node may have.
    pub nid: Nid,
    /// Its Locators, best first, each once, never none.
    pub locators: Vec<FoundLocator>,
    /// For how many seconds all of this may be kept: the least TTL of the records that it is
    /// made of. May be 0.
    pub ttl: u32,
}

/// One of a correspondent's Locators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The lower, the more preferred. L64 records of the name itself keep theirs; Locators found
    /// through LP records come behind them, in the order of the LP records' preferences, then of
    /// their own.
    pub preference: Preference,
    /// For how many seconds: the TTL of the L64 record, or that of the LP record that led to it
    /// if that is less. May be 0.
    pub ttl: u32,
}

impl Records {
    /// The correspondent that the records describe; `None` without a usable NID and Locator.
    pub fn found(&self) -> Option<Found> {
        let usable = |nid: &&WithTtl<rdata::Nid>| nid.data.node_id.unusable_reason().is_none();
        let usable = self.nid.iter().filter(usable);
        let nid = usable.min_by_key(|nid| nid.data.preference)?;
        let locators = self.locators();
        let least = locators.iter().map(|locator| locator.ttl).min()?;
        Some(Found {
            name: self.name.clone(),
            nid: nid.data.node_id,
            locators,
            ttl: least.min(nid.ttl),
        })
    }

    /// The name's own Locators, then those of each LP record (T42). Each Locator stands where it
    /// came first.
    fn locators(&self) -> Vec<FoundLocator> {
        let own = self.l64.iter().map(|l64| (None, l64, u32::MAX));
        let through = self.lp.iter().flat_map(|lp| {
            let (_, l64) = self.lp_l64.iter().find(|(of, _)| *of == lp.data.target)?;
            let preference = Some(lp.data.preference);
            Some(l64.iter().map(move |l64| (preference, l64, lp.ttl)))
        });
        let mut places: Vec<_> = own
            .chain(through.flatten())
            .filter(|(_, l64, _)| l64.data.locator.is_usable())
            .collect();
        // The sort is stable: records that are equally preferred keep their order.
        places.sort_by_key(|(lp, l64, _)| (*lp, l64.data.preference));
        let mut seen = HashSet::new();
        places.retain(|(_, l64, _)| seen.insert(l64.data.locator));
        let preferences = merged(places.iter().map(|(lp, l64, _)| (*lp, l64.data.preference)));
        let locators = places.iter().zip(preferences);
        locators
            .map(|((_, l64, lp_ttl), preference)| FoundLocator {
                locator: l64.data.locator,
                preference,
                ttl: l64.ttl.min(*lp_ttl),
            })
            .collect()
    }
}

/// One preference for each pair of an LP record's preference (`None` for no LP record) and an L64
/// record's: as the L64 record says where that keeps the order of the pairs, else one more than
/// the one before. Equal pairs stay equal.
fn merged(
    pairs: impl Iterator<Item = (Option<Preference>, Preference)> + Clone,
) -> Vec<Preference> {
    let merge = |as_said: bool| {
        let mut previous = None;
        let next = pairs.clone().map(|pair| {
            let said = if as_said { pair.1.0 } else { 0 };
            let value = match previous {
                None => said,
                Some((same, value)) if same == pair => value,
                Some((_, value)) => said.max(u16::checked_add(value, 1)?),
            };
            previous = Some((pair, value));
            Some(Preference(value))
        });
        next.collect::<Option<Vec<_>>>()
    };
    // Counting from 0 leaves room where the preferences said are at the end of their range.
    merge(true).or_else(|| merge(false)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdata::L64;
    use crate::record::RecordType;

    /// Records made of `(preference, value)`; Locators are written as their third group.
    struct Case {
        nid: &'static [(u16, &'static str)],
        l64: &'static [(u16, u16)],
        lp: &'static [(u16, &'static str)],
        lp_l64: &'static [(&'static str, &'static [(u16, u16)])],
    }

    const NID: &[(u16, &str)] = &[(10, "0214:4fff:fe20:ee64")];

    fn l64(records: &[(u16, u16)]) -> Vec<WithTtl<L64>> {
        let record = |&(preference, group): &(u16, u16)| WithTtl {
            data: format!("{preference} 2001:db8:{group:x}:0")
                .parse()
                .unwrap(),
            ttl: 5,
        };
        records.iter().map(record).collect()
    }

    fn records(case: &Case) -> Records {
        let with_ttl =
            |ttl, (preference, value): &(u16, &str)| (ttl, format!("{preference} {value}"));
        let nid = case.nid.iter().map(|record| with_ttl(3600, record));
        let lp = case.lp.iter().map(|record| with_ttl(4, record));
        let target =
            |(name, records): &(&str, &[(u16, u16)])| (name.parse().unwrap(), l64(records));
        Records {
            name: "vm1.example.org.".parse().unwrap(),
            nid: nid
                .map(|(ttl, text)| WithTtl {
                    data: text.parse().unwrap(),
                    ttl,
                })
                .collect(),
            l64: l64(case.l64),
            lp: lp
                .map(|(ttl, text)| WithTtl {
                    data: text.parse().unwrap(),
                    ttl,
                })
                .collect(),
            lp_l64: case.lp_l64.iter().map(target).collect(),
            aaaa: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    fn found(case: &Case) -> Vec<(u16, u16)> {
        let found = records(case).found();
        let locators = found.map(|found| found.locators).unwrap_or_default();
        let short = |locator: &FoundLocator| {
            let group = u16::try_from(locator.locator.bits() >> 16 & 0xffff).unwrap();
            (locator.preference.0, group)
        };
        locators.iter().map(short).collect()
    }

    #[test]
    fn locators_of_the_name_come_before_those_of_its_lp_records() {
        // (T42) Direct L64 by preference, then LP by preference, each by its target's L64.
        for (case, expected) in [
            (
                Case {
                    nid: NID,
                    l64: &[(20, 0xb), (10, 0xa)],
                    lp: &[],
                    lp_l64: &[],
                },
                &[(10, 0xa), (20, 0xb)][..],
            ),
            (
                Case {
                    nid: NID,
                    l64: &[(10, 0xa), (10, 0xb)],
                    lp: &[],
                    lp_l64: &[],
                },
                &[(10, 0xa), (10, 0xb)],
            ),
            (
                Case {
                    nid: NID,
                    l64: &[],
                    lp: &[(5, "s.")],
                    lp_l64: &[("S.", &[(30, 0xc), (20, 0xb)])],
                },
                &[(20, 0xb), (30, 0xc)],
            ),
            (
                Case {
                    nid: NID,
                    l64: &[(50, 0xa)],
                    lp: &[(2, "t."), (1, "s.")],
                    lp_l64: &[
                        ("t.", &[(1, 0xd), (60, 0xa)]),
                        ("s.", &[(10, 0xb), (10, 0xc)]),
                    ],
                },
                &[(50, 0xa), (51, 0xb), (51, 0xc), (52, 0xd)],
            ),
            (
                Case {
                    nid: NID,
                    l64: &[(u16::MAX, 0xa)],
                    lp: &[(0, "s.")],
                    lp_l64: &[("s.", &[(0, 0xb)])],
                },
                &[(0, 0xa), (1, 0xb)],
            ),
        ] {
            assert_eq!(found(&case), expected);
        }
    }

    #[test]
    fn without_a_usable_identifier_and_locator_nothing_is_found() {
        for case in [
            Case {
                nid: &[],
                l64: &[(10, 0xa)],
                lp: &[],
                lp_l64: &[],
            },
            Case {
                nid: NID,
                l64: &[],
                lp: &[],
                lp_l64: &[],
            },
            Case {
                nid: NID,
                l64: &[],
                lp: &[(10, "s.")],
                lp_l64: &[],
            },
            Case {
                nid: NID,
                l64: &[],
                lp: &[(10, "s.")],
                lp_l64: &[("s.", &[])],
            },
            Case {
                nid: &[(10, "0114:4fff:fe20:ee64")],
                l64: &[(10, 0xa)],
                lp: &[],
                lp_l64: &[],
            },
        ] {
            assert_eq!(records(&case).found(), None);
            assert!(records(&case).is_classic());
        }
        let mut link_local = records(&Case {
            nid: NID,
            l64: &[],
            lp: &[],
            lp_l64: &[],
        });
        link_local.l64.push(WithTtl {
            data: "10 fe80:0:0:0".parse().unwrap(),
            ttl: 5,
        });
        assert_eq!(link_local.found(), None);
    }

    #[test]
    fn nothing_outlives_any_of_its_records() {
        let case = Case {
            nid: NID,
            l64: &[(10, 0xa)],
            lp: &[(10, "s.")],
            lp_l64: &[("s.", &[(10, 0xb)])],
        };
        let mut records = records(&case);
        let found = records.found().unwrap();
        assert_eq!(found.ttl, 4);
        assert_eq!(
            found.locators.iter().map(|l| l.ttl).collect::<Vec<_>>(),
            [5, 4]
        );
        records.nid[0].ttl = 0;
        assert_eq!(records.found().unwrap().ttl, 0);
    }

    #[test]
    fn silence_is_no_answer() {
        let mut records = records(&Case {
            nid: &[],
            l64: &[],
            lp: &[],
            lp_l64: &[],
        });
        records
            .unanswered
            .push((records.name.clone(), RecordType::NID));
        assert!(!records.is_classic());
    }
}
