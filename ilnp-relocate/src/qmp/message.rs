//! What QEMU says, a JSON object a line.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Something that happened in QEMU.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What, as `BLOCK_JOB_READY`.
    pub name: String,
    /// The particulars.
    pub data: Map<String, Value>,
}

impl Event {
    /// A particular that is text, or nothing.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(Value::as_str)
    }
}

/// A line from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// The first line of a session.
    Greeting,
    /// The answer to the command with this identifier.
    Answer {
        id: u64,
        result: Result<Value, Refusal>,
    },
    /// Something that happened.
    Event(Event),
    /// Whatever a later QEMU says; and errors that answer nothing that was asked.
    Other,
}

/// QEMU's words for a failure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Refusal {
    pub(super) class: String,
    pub(super) desc: String,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
    event: Option<String>,
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default, rename = "return", deserialize_with = "present")]
    result: Option<Value>,
    error: Option<Refusal>,
    id: Option<u64>,
}

/// A `null` that is there is an answer, too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Message, serde_json::Error> {
    let line: Line = serde_json::from_slice(line)?;
    Ok(match line {
        Line {
            greeting: Some(_), ..
        } => Message::Greeting,
        Line {
            event: Some(name),
            data,
            ..
        } => Message::Event(Event { name, data }),
        Line {
            error: Some(refusal),
            id: Some(id),
            ..
        } => Message::Answer {
            id,
            result: Err(refusal),
        },
        Line {
            result: Some(value),
            id: Some(id),
            ..
        } => Message::Answer {
            id,
            result: Ok(value),
        },
        _ => Message::Other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(line: &str) -> Message {
        parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn reads_what_qemu_says() {
        let greeting = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}"#;
        assert_eq!(read(greeting), Message::Greeting);
        assert_eq!(
            read(r#"{"return": {"running": true}, "id": 3}"#),
            Message::Answer {
                id: 3,
                result: Ok(json!({"running": true}))
            }
        );
        assert_eq!(
            read(r#"{"id": 4, "error": {"class": "GenericError", "desc": "no", "later": 1}}"#),
            Message::Answer {
                id: 4,
                result: Err(Refusal {
                    class: "GenericError".into(),
                    desc: "no".into()
                })
            }
        );
        let Message::Event(event) = read(
            r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "MIGRATION", "data": {"status": "active"}}"#,
        ) else {
            panic!("not an event");
        };
        assert_eq!(
            (event.name.as_str(), event.text("status")),
            ("MIGRATION", Some("active"))
        );
    }

    #[test]
    fn passes_over_what_it_does_not_know() {
        assert_eq!(read(r#"{"later": {"version": 9}}"#), Message::Other);
        assert_eq!(
            read(r#"{"error": {"class": "GenericError", "desc": "to nobody"}}"#),
            Message::Other
        );
        assert_eq!(read(r#"{"return": {}}"#), Message::Other);
        let null = Message::Answer {
            id: 1,
            result: Ok(Value::Null),
        };
        assert_eq!(read(r#"{"return": null, "id": 1}"#), null);
    }

    proptest! {
        #[test]
        fn survives_any_line(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn survives_any_field(key in "[a-zQMP]{1,8}", value in "[-0-9a-z\\[\\]{}\",:]{0,40}") {
            let _ = parse(format!("{{\"{key}\": {value}}}").as_bytes());
        }
    }
}
