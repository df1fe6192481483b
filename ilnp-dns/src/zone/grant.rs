//! Who may change what.

use crate::name::Name;
use crate::record::RecordType;

/// Allows a key to change records of some types at some names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key's name.
    pub key: Name,
    /// The name whose records it may change; one that begins with the label `*` stands for all
    /// names below the rest, as `*.example.org.` for each host of a zone but not for its apex.
    pub name: Name,
    /// The types; `ANY` stands for all of them.
    pub types: Vec<RecordType>,
}

/// All that a zone grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<Grant>);

impl Grants {
    /// Whether a key may change records of a type at a name.
    pub fn allow(&self, key: &Name, name: &Name, rtype: RecordType) -> bool {
        (self.0.iter()).any(|grant| grant.covers(key, name) && grant.has_type(rtype))
    }

    /// Whether a key may change anything at a name.
    pub fn allow_name(&self, key: &Name, name: &Name) -> bool {
        self.0.iter().any(|grant| grant.covers(key, name))
    }

    /// Whether a key may change anything at all.
    pub fn know(&self, key: &Name) -> bool {
        self.0.iter().any(|grant| grant.key == *key)
    }
}

impl Grant {
    fn covers(&self, key: &Name, name: &Name) -> bool {
        self.key == *key && (self.name == *name || self.is_above(name))
    }

    fn is_above(&self, name: &Name) -> bool {
        let all_below = self.name.labels().next() == Some(b"*");
        let above = self.name.parent().filter(|_| all_below);
        above.is_some_and(|above| *name != above && name.is_within(&above))
    }

    fn has_type(&self, rtype: RecordType) -> bool {
        self.types.contains(&rtype) || self.types.contains(&RecordType::ANY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn grant(key: &str, at: &str, types: &[RecordType]) -> Grant {
        Grant {
            key: name(key),
            name: name(at),
            types: types.to_vec(),
        }
    }

    #[test]
    fn a_host_changes_its_own_records_of_the_granted_types() {
        let types = [RecordType::NID, RecordType::L64];
        let grants = Grants(vec![grant("vm1-key.", "vm1.example.org.", &types)]);
        let (key, host) = (name("VM1-key."), name("vm1.Example.org."));
        assert!(grants.know(&key) && grants.allow_name(&key, &host));
        assert!(grants.allow(&key, &host, RecordType::L64));
        assert!(!grants.allow(&key, &host, RecordType::TXT));
        assert!(!grants.allow(&key, &host, RecordType::ANY));
        assert!(!grants.allow(&key, &name("vm2.example.org."), RecordType::L64));
        assert!(!grants.allow(&key, &name("a.vm1.example.org."), RecordType::L64));
        assert!(!grants.allow(&name("other."), &host, RecordType::L64));
        assert!(!grants.know(&name("other.")));
    }

    #[test]
    fn an_asterisk_stands_for_all_names_below() {
        let grants = Grants(vec![grant("admin.", "*.example.org.", &[RecordType::ANY])]);
        for (at, allowed) in [
            ("vm1.example.org.", true),
            ("a.b.example.org.", true),
            ("*.example.org.", true),
            ("example.org.", false),
            ("example.com.", false),
        ] {
            let found = grants.allow(&name("admin."), &name(at), RecordType::TXT);
            assert_eq!(found, allowed, "{at}");
        }
    }
}
