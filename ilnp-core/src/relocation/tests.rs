use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The lines of the protocol as they are written down for those who implement it elsewhere.
const REQUESTS: [&str; 6] = [
    r#"{"schema":1,"id":7,"hello":{"site":"a","epoch":12,"instance":"00112233445566778899aabbccddeeff"}}"#,
    r#"{"schema":1,"id":8,"prepare":{"epoch":13,"site":"b","locators":["2001:db8:b::/64"],"router":"fe80::1","router-mac":"52:54:00:00:00:01"}}"#,
    r#"{"schema":1,"id":9,"switch":{"epoch":13}}"#,
    r#"{"schema":1,"id":10,"resumed":{"epoch":13,"site":"b","instance":"00112233445566778899aabbccddeeff"}}"#,
    r#"{"schema":1,"id":11,"cancel":{"epoch":13}}"#,
    r#"{"schema":1,"id":12,"fence":{"epoch":13,"reason":"it runs at site b"}}"#,
];

const SAID: [&str; 9] = [
    r#"{"schema":1,"id":7,"hello":{"nid":"0214:4fff:fe20:ee64","version":"0.1.0"}}"#,
    r#"{"schema":1,"id":8,"prepared":{"correspondents":3}}"#,
    r#"{"schema":1,"id":9,"done":{}}"#,
    r#"{"schema":1,"id":9,"error":{"reason":"nothing was prepared"}}"#,
    r#"{"schema":1,"event":{"told":{"epoch":13,"step":"prepare","correspondents":3,"acknowledged":3}}}"#,
    r#"{"schema":1,"event":{"usable":{"epoch":13,"after-ms":2.5,"locator":"2001:db8:b::/64"}}}"#,
    r#"{"schema":1,"event":{"acknowledged":{"epoch":13,"after-ms":52.5}}}"#,
    r#"{"schema":1,"event":{"all-acknowledged":{"epoch":13,"after-ms":60.5,"correspondents":3}}}"#,
    r#"{"schema":1,"event":{"dns-confirmed":{"epoch":13,"after-ms":120.5}}}"#,
];

fn value(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

#[test]
fn every_line_is_read_and_written_again() {
    for text in REQUESTS {
        let read = ToGuest::parse(text.as_bytes()).unwrap();
        assert_eq!(value(&encode(&read).unwrap()), value(text.as_bytes()));
    }
    for text in SAID {
        let read = FromGuest::parse(text.as_bytes()).unwrap();
        assert_eq!(value(&encode(&read).unwrap()), value(text.as_bytes()));
    }
}

#[test]
fn unknown_members_are_ignored_everywhere() {
    for text in REQUESTS {
        let mut value = value(text.as_bytes());
        value["new"] = json!({"a": [1]});
        for member in value.as_object_mut().unwrap().values_mut() {
            if let Some(inner) = member.as_object_mut() {
                inner.insert("newer".into(), json!(null));
            }
        }
        let read = ToGuest::parse(value.to_string().as_bytes()).unwrap();
        assert_eq!(read, ToGuest::parse(text.as_bytes()).unwrap());
    }
    let answer = FromGuest::parse(br#"{"schema":1,"id":9,"done":{},"took":3}"#).unwrap();
    let done = Answer::Done(Empty {});
    assert_eq!(
        answer,
        FromGuest::Answer {
            id: 9,
            answer: done
        }
    );
}

#[test]
fn a_request_that_is_refused_keeps_its_number() {
    for text in [
        r#"{"schema":1,"id":5,"explode":{}}"#,
        r#"{"schema":1,"id":5}"#,
        r#"{"schema":2,"id":5,"switch":{"epoch":13}}"#,
        r#"{"schema":1,"id":5,"switch":{"epoch":-1}}"#,
        r#"{"schema":1,"id":5,"switch":[]}"#,
        r#"{"schema":1,"id":5,"prepare":{"epoch":1,"site":"b","locators":["2001:db8::1/64"],"router":"fe80::1"}}"#,
        r#"{"schema":1,"id":5,"prepare":{"epoch":1,"site":"b","locators":[],"router":"fe80::1","router-mac":"ff:ff:ff:ff:ff:ff"}}"#,
        r#"{"schema":1,"id":5,"hello":{"site":"a","epoch":1,"instance":"+0112233445566778899aabbccddeeff"}}"#,
    ] {
        let refused = ToGuest::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused.id, Some(5), "{text}: {refused}");
        assert!(!refused.reason.is_empty());
    }
    for text in [
        "",
        "{",
        "null",
        "[]",
        r#"{"id":5}"#,
        r#"{"schema":1,"id":-5}"#,
    ] {
        assert_eq!(
            ToGuest::parse(text.as_bytes()).unwrap_err().id,
            None,
            "{text}"
        );
    }
}

#[test]
fn an_answer_needs_a_number_and_an_event_does_not() {
    assert!(FromGuest::parse(br#"{"schema":1,"done":{}}"#).is_err());
    assert!(FromGuest::parse(br#"{"schema":1,"event":{"unheard-of":{}}}"#).is_err());
}

#[test]
fn a_cut_line_costs_only_itself() {
    let whole = encode(&ToGuest::new(1, Request::Switch(Epoch { epoch: 2 }))).unwrap();
    for cut in 0..whole.len() {
        let mut lines = Lines::default();
        let mut read = lines.push(&whole[..cut]);
        read.extend(lines.push(&whole));
        let good = read.iter().filter(|line| match line {
            Line::Whole(text) => ToGuest::parse(text).is_ok(),
            Line::TooLong => false,
        });
        // Only the end of the line was cut off: what stands before it is whole.
        let expected = if cut + 1 == whole.len() { 2 } else { 1 };
        assert_eq!(good.count(), expected, "cut at {cut}");
    }
}

#[test]
fn a_line_that_is_too_long_is_not_kept() {
    let mut lines = Lines::default();
    for _ in 0..1000 {
        assert_eq!(lines.push(&[b'x'; 1000]), []);
        assert!(lines.begun.len() <= Lines::LONGEST);
    }
    let after = lines.push(b"\nshort\n");
    assert_eq!(after, [Line::TooLong, Line::Whole(b"short".to_vec())]);
    let longest = [vec![b'x'; Lines::LONGEST], b"\n".to_vec()].concat();
    assert_eq!(lines.push(&longest).len(), 1);
    let reason = "x".repeat(Lines::LONGEST);
    let request = ToGuest::new(1, Request::Fence(Fence { epoch: 1, reason }));
    assert!(matches!(encode(&request), Err(LineError::TooLong { .. })));
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_how_they_are_cut(
        octets in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..9000),
        cuts in prop::collection::vec(1usize..3000, 0..20),
    ) {
        let whole = Lines::default().push(&octets);
        let mut lines = Lines::default();
        let mut rest = octets.as_slice();
        let mut parts = Vec::new();
        for cut in cuts {
            let (part, left) = rest.split_at(cut.min(rest.len()));
            parts.extend(lines.push(part));
            rest = left;
        }
        parts.extend(lines.push(rest));
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn whatever_stands_before_an_empty_line_does_no_harm(
        before in prop::collection::vec(any::<u8>(), 0..5000),
        epoch in any::<u64>(),
    ) {
        let request = ToGuest::new(3, Request::Cancel(Epoch { epoch }));
        let mut lines = Lines::default();
        lines.push(&before);
        let read = lines.push(&encode(&request).unwrap());
        let Some(Line::Whole(last)) = read.last() else {
            panic!("{read:?}");
        };
        prop_assert_eq!(ToGuest::parse(last), Ok(request));
    }

    #[test]
    fn no_line_makes_a_reader_panic(text in any::<Vec<u8>>()) {
        let _ = (ToGuest::parse(&text), FromGuest::parse(&text));
    }
}
