//! The two calls that a client makes at the target of a migration: what they may ask for, and what
//! they become before the daemon sees them.

use super::frame::{Frame, Procedure};
use super::xdr::{Malformed, Parameter, Reader, Value, Writer};

/// The guest is copied while it runs.
const LIVE: u32 = 1;
/// It does not run at the target until somebody resumes it there.
const PAUSED: u32 = 1 << 5;
/// What else may be asked for: disks whole or by their newest layer, protection from changes,
/// compression, an end on disk errors, throttling, disks written at both sites.
const HARMLESS: u32 = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 18;

/// Parameters that change nothing but how the copy is done.
const TUNING: [&str; 6] = [
    "auto_converge.increment",
    "auto_converge.initial",
    "bandwidth",
    "compression",
    "compression.xbzrle.cache",
    "migrate_disks",
];

/// What the target's operator has said of the guest, and where this copy of it is to arrive. It
/// replaces whatever the other site says of it.
#[derive(Clone, Debug)]
pub(in crate::libvirt) struct Terms {
    /// The name of the domain here.
    pub(in crate::libvirt) name: String,
    /// Its definition here.
    pub(in crate::libvirt) definition: String,
    /// The URI of the socket for memory.
    pub(in crate::libvirt) memory: String,
    /// The URI of the socket for disks.
    pub(in crate::libvirt) disks: String,
    /// The disks that are to be copied, by the names that the guest's controllers give them.
    pub(in crate::libvirt) copied: Vec<String>,
}

/// Why a call is not let through.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::libvirt) enum Refused {
    /// It is no call of a migration.
    #[error("the agent of this site lets nothing through but a migration, and this is call {0}")]
    Procedure(u32),
    /// It is not well formed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It would let the guest run before the agents have agreed on it, or change what the operator
    /// has defined.
    #[error("the agent of this site lets no migration through with flags {0:#x}")]
    Flags(u32),
    /// It says what is for the target's operator to say.
    #[error("the agent of this site lets no migration through that says {0}")]
    Parameter(String),
    /// It would copy a disk that was not agreed on.
    #[error("disk {0} was not agreed on")]
    Disk(String),
}

/// The body of a call to prepare or to finish a migration: parameters, a cookie, flags, and when
/// it finishes whether the source has given up.
struct Call<'a> {
    parameters: Vec<Parameter>,
    cookie: &'a [u8],
    flags: u32,
    cancelled: Option<u32>,
}

impl<'a> Call<'a> {
    fn read(frame: &'a Frame) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body());
        let call = Self {
            parameters: reader.parameters()?,
            cookie: reader.opaque()?,
            flags: reader.word()?,
            cancelled: match frame.procedure() {
                Procedure::Finish => Some(reader.word()?),
                Procedure::Session | Procedure::Prepare | Procedure::Other(_) => None,
            },
        };
        reader.end()?;
        Ok(call)
    }

    fn write(&self, frame: &Frame) -> Result<Frame, Malformed> {
        let mut writer = Writer::default();
        writer.parameters(&self.parameters)?;
        writer.opaque(self.cookie)?;
        writer.word(self.flags);
        if let Some(cancelled) = self.cancelled {
            writer.word(cancelled);
        }
        Ok(frame.with_body(&writer.finish()))
    }
}

/// Whether this call says that everything has been sent.
pub(in crate::libvirt) fn everything_sent(frame: &Frame) -> bool {
    frame.procedure() == Procedure::Finish
        && Call::read(frame).is_ok_and(|call| call.cancelled == Some(0))
}

/// What becomes of a call at the target.
pub(in crate::libvirt) fn on_terms(frame: &Frame, terms: &Terms) -> Result<Frame, Refused> {
    match frame.procedure() {
        Procedure::Session => return Ok(frame.clone()),
        Procedure::Other(number) => return Err(Refused::Procedure(number)),
        Procedure::Prepare | Procedure::Finish => {}
    }
    let mut call = Call::read(frame)?;
    if call.flags & (LIVE | PAUSED) != LIVE | PAUSED
        || call.flags & !(LIVE | PAUSED | HARMLESS) != 0
    {
        return Err(Refused::Flags(call.flags));
    }
    for parameter in &mut call.parameters {
        let ours = match parameter.name.as_str() {
            "destination_name" => &terms.name,
            "destination_xml" => &terms.definition,
            "migrate_uri" => &terms.memory,
            "disks_uri" => &terms.disks,
            tuning if TUNING.contains(&tuning) => match (tuning, &parameter.value) {
                ("migrate_disks", Value::Text(disk)) if !terms.copied.contains(disk) => {
                    return Err(Refused::Disk(disk.clone()));
                }
                _ => continue,
            },
            _ => return Err(Refused::Parameter(parameter.name.clone())),
        };
        parameter.value = Value::Text(ours.clone());
    }
    Ok(call.write(frame)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::tests::call;
    use super::*;

    const AGREED: u32 = LIVE | PAUSED | 1 << 7;

    fn terms() -> Terms {
        Terms {
            name: "vm1".into(),
            definition: "<domain>ours</domain>".into(),
            memory: "unix:///run/b/memory".into(),
            disks: "unix:///run/b/disks".into(),
            copied: vec!["vda".into()],
        }
    }

    fn text(name: &str, value: &str) -> Parameter {
        Parameter {
            name: name.into(),
            value: Value::Text(value.into()),
        }
    }

    fn prepare(parameters: Vec<Parameter>, flags: u32) -> Frame {
        let call_ = Call {
            parameters,
            cookie: b"cookie",
            flags,
            cancelled: None,
        };
        call_.write(&call(303, &[])).unwrap()
    }

    fn finish(flags: u32, cancelled: u32) -> Frame {
        let call_ = Call {
            parameters: vec![text("destination_name", "vm1")],
            cookie: b"",
            flags,
            cancelled: Some(cancelled),
        };
        call_.write(&call(306, &[])).unwrap()
    }

    #[test]
    fn what_the_operator_says_wins() {
        let theirs = prepare(
            vec![
                text("migrate_uri", "tcp:[::]:49152"),
                text("disks_uri", "unix:///etc/shadow"),
                text("migrate_disks", "vda"),
                text("destination_xml", "<domain>theirs</domain>"),
                text("destination_name", "another"),
            ],
            AGREED,
        );
        let ours = prepare(
            vec![
                text("migrate_uri", "unix:///run/b/memory"),
                text("disks_uri", "unix:///run/b/disks"),
                text("migrate_disks", "vda"),
                text("destination_xml", "<domain>ours</domain>"),
                text("destination_name", "vm1"),
            ],
            AGREED,
        );
        assert_eq!(on_terms(&theirs, &terms()), Ok(ours));
    }

    #[test]
    fn other_parameters_disks_and_calls_are_refused() {
        for name in ["persistent_xml", "listen_address", "tls.destination", ""] {
            assert_eq!(
                on_terms(&prepare(vec![text(name, "x")], AGREED), &terms()),
                Err(Refused::Parameter(name.into()))
            );
        }
        assert_eq!(
            on_terms(
                &prepare(vec![text("migrate_disks", "vdb")], AGREED),
                &terms()
            ),
            Err(Refused::Disk("vdb".into()))
        );
        // To define a domain, for one.
        assert_eq!(
            on_terms(&call(11, &[]), &terms()),
            Err(Refused::Procedure(11))
        );
        assert!(matches!(
            on_terms(&call(303, &[0]), &terms()),
            Err(Refused::Malformed(_))
        ));
    }

    #[test]
    fn a_guest_that_would_run_too_early_is_refused() {
        for flags in [
            0,
            LIVE,
            PAUSED,
            LIVE | PAUSED | 1 << 3,
            LIVE | PAUSED | 1 << 15,
        ] {
            assert_eq!(
                on_terms(&prepare(Vec::new(), flags), &terms()),
                Err(Refused::Flags(flags))
            );
            assert_eq!(
                on_terms(&finish(flags, 0), &terms()),
                Err(Refused::Flags(flags))
            );
        }
    }

    #[test]
    fn only_a_migration_that_was_not_given_up_has_sent_everything() {
        assert!(everything_sent(&finish(AGREED, 0)));
        assert!(!everything_sent(&finish(AGREED, 1)));
        assert!(!everything_sent(&prepare(Vec::new(), AGREED)));
        assert!(!everything_sent(&call(306, &[0, 0])));
    }

    proptest! {
        #[test]
        fn any_call_is_let_through_on_terms_or_refused(procedure: u32, body: Vec<u8>) {
            let frame = call(procedure, &body);
            let _ = on_terms(&frame, &terms());
            let _ = everything_sent(&frame);
        }
    }
}
