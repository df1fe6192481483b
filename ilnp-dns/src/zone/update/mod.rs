//! Dynamic updates (RFC 2136): all of one is done, or nothing.

mod permission;
mod prerequisite;

use super::draft::Draft;
use super::{Change, Grants, Serial, Zone, ZoneError, rules, serial};
use crate::message::{Message, Opcode, Rcode};
use crate::name::Name;
use crate::record::{Class, Record, RecordType};

/// Why an update was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The zone section is not one SOA question (RFC 2136 §3.1.1).
    #[error("the zone section is not one question of type SOA")]
    ZoneSection,
    /// It is for another zone.
    #[error("the update is for {0}, which is not this zone")]
    NotThisZone(Name),
    /// It bears no key, or one that may change nothing here.
    #[error("no grant lets {} change this zone", key(.0.as_ref()))]
    Unknown(Option<Name>),
    /// The key may not change these records.
    #[error("no grant lets key {key} change {rtype} records of {name}")]
    NotGranted {
        /// The key.
        key: Name,
        /// The records' owner.
        name: Name,
        /// Their type.
        rtype: RecordType,
    },
    /// A name of another zone.
    #[error("{0} is not within the zone")]
    NotInZone(Name),
    /// A record that means nothing in its section.
    #[error("the {rtype} record of {name} {why}")]
    Form {
        /// Its owner.
        name: Name,
        /// Its type.
        rtype: RecordType,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A prerequisite is not met (RFC 2136 §3.2).
    #[error("the zone does not meet the prerequisite about {rtype} of {name}")]
    Prerequisite {
        /// The name that it is about.
        name: Name,
        /// The type that it is about.
        rtype: RecordType,
        /// What is answered.
        rcode: Rcode,
    },
    /// A record that the zone cannot take.
    #[error(transparent)]
    Record(#[from] ZoneError),
}

impl UpdateError {
    /// What is answered.
    pub fn rcode(&self) -> Rcode {
        match self {
            Self::ZoneSection | Self::Form { .. } => Rcode::FORMERR,
            Self::NotThisZone(_) => Rcode::NOTAUTH,
            Self::Unknown(_) | Self::NotGranted { .. } => Rcode::REFUSED,
            Self::NotInZone(_) => Rcode::NOTZONE,
            Self::Prerequisite { rcode, .. } => *rcode,
            Self::Record(ZoneError::Rdata(..) | ZoneError::OwnTarget(_)) => Rcode::FORMERR,
            Self::Record(_) => Rcode::REFUSED,
        }
    }
}

fn key(key: Option<&Name>) -> String {
    key.map_or_else(|| "an unsigned message".into(), |key| format!("key {key}"))
}

impl Zone {
    /// Does an update that was signed with `key`.
    ///
    /// Gives the zone afterwards and what changed, which may be nothing: some requests are silently
    /// ignored, as to delete the SOA record (RFC 2136 §3.4.2). Whether the signature is right was
    /// checked before.
    ///
    /// # Errors
    /// Why nothing was done, with the code to answer.
    pub fn update(
        &self,
        message: &Message,
        grants: &Grants,
        key: Option<&Name>,
    ) -> Result<(Self, Change), UpdateError> {
        self.check_zone_section(message)?;
        let key = key.filter(|key| grants.know(key));
        let key = key.ok_or_else(|| UpdateError::Unknown(key.cloned()))?;
        prerequisite::check(self, &message.answers)?;
        for record in &message.authorities {
            self.prescan(record)?;
            permission::check(self, record, grants, key)?;
        }
        let mut draft = Draft::new(self);
        for record in &message.authorities {
            draft.change(record)?;
        }
        Ok(draft.finish())
    }

    fn check_zone_section(&self, message: &Message) -> Result<(), UpdateError> {
        let [zone] = &*message.questions else {
            return Err(UpdateError::ZoneSection);
        };
        if message.opcode != Opcode::UPDATE || zone.rtype != RecordType::SOA {
            return Err(UpdateError::ZoneSection);
        }
        if zone.name != self.origin || zone.class != self.class {
            return Err(UpdateError::NotThisZone(zone.name.clone()));
        }
        Ok(())
    }

    /// RFC 2136 §3.4.1.
    fn prescan(&self, record: &Record) -> Result<(), UpdateError> {
        let Record {
            name, rtype, class, ..
        } = record;
        if !name.is_within(&self.origin) {
            return Err(UpdateError::NotInZone(name.clone()));
        }
        let why = if *class == self.class {
            rules::is_meta(*rtype).then_some("is of a type for questions")
        } else if *class == Class::ANY {
            let named = *rtype == RecordType::ANY || !rules::is_meta(*rtype);
            let bare = record.ttl == 0 && record.rdata.is_empty();
            (!(named && bare)).then_some("deletes, but has a TTL, RDATA or a type for questions")
        } else if *class == Class::NONE {
            let wrong = record.ttl != 0 || rules::is_meta(*rtype);
            wrong.then_some("deletes, but has a TTL or a type for questions")
        } else {
            Some("has a class that means nothing in an update")
        };
        match why {
            Some(why) => Err(form(record, why)),
            None if *class == self.class => Ok(rules::check_rdata(record)?),
            None => Ok(()),
        }
    }
}

fn form(record: &Record, why: &'static str) -> UpdateError {
    UpdateError::Form {
        name: record.name.clone(),
        rtype: record.rtype,
        why,
    }
}

/// RFC 2136 §3.4.2.
impl Draft {
    fn change(&mut self, record: &Record) -> Result<(), ZoneError> {
        if record.class == self.zone().class() {
            self.add(record)
        } else {
            self.delete(record);
            Ok(())
        }
    }

    /// §3.4.2.2: what does not go beside a CNAME record is ignored, and so is an SOA record that is
    /// not newer.
    fn add(&mut self, record: &Record) -> Result<(), ZoneError> {
        let (rtype, at_apex) = (record.rtype, record.name == *self.zone().origin());
        if rtype == RecordType::SOA && !(at_apex && self.is_newer(record)) {
            return Ok(());
        }
        let zone = self.zone();
        let beside = zone.node(&record.name).map(|node| &node.sets);
        if beside.is_some_and(|sets| rules::is_excluded(rtype, sets)) {
            return Ok(());
        }
        // A higher TTL counts as 0 (RFC 2181 §8).
        let ttl = if record.ttl > rules::MAX_TTL {
            0
        } else {
            record.ttl
        };
        self.edit(&record.name, |sets| {
            if rules::is_single(rtype) {
                sets.remove_set(rtype);
            }
            rules::check_beside(sets, record)?;
            sets.add(rtype, ttl, record.rdata.clone());
            Ok(())
        })
    }

    fn is_newer(&self, soa: &Record) -> bool {
        let serial = serial::of_soa(&soa.rdata).unwrap_or(Serial(0));
        serial.is_newer_than(self.zone().serial())
    }

    /// §3.4.2.3 and §3.4.2.4: the SOA record and the last NS record of the apex stay.
    fn delete(&mut self, record: &Record) {
        let Record {
            name,
            rtype,
            class,
            rdata,
            ..
        } = record;
        if self.zone().node(name).is_none() {
            return;
        }
        let at_apex = *name == *self.zone().origin();
        let essential = |rtype| at_apex && matches!(rtype, RecordType::SOA | RecordType::NS);
        self.edit(name, |sets| match (*class, *rtype) {
            (Class::ANY, RecordType::ANY) => sets.retain(essential),
            (Class::ANY, rtype) if essential(rtype) => {}
            (Class::ANY, rtype) => sets.remove_set(rtype),
            (_, RecordType::SOA) => {}
            (_, rtype) => {
                let last = sets.get(rtype).is_some_and(|set| set.rdatas.len() == 1);
                if !(last && essential(rtype)) {
                    sets.remove(rtype, rdata);
                }
            }
        });
    }
}
