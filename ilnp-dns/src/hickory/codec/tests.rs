use bytes::Bytes;
use proptest::prelude::*;

use crate::message::{Edns, Message, MessageError, Opcode, Question, Rcode};
use crate::name::Name;
use crate::record::{Class, Record, RecordType};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn record(owner: &str, rtype: RecordType, rdata: &[u8]) -> Record {
    Record {
        name: name(owner),
        rtype,
        class: Class::IN,
        ttl: 5,
        rdata: Bytes::copy_from_slice(rdata),
    }
}

fn response() -> Message {
    let mut message = Message::request(0x1234, Opcode::QUERY);
    message.response = true;
    message.questions.push(Question {
        name: name("h.example.org."),
        rtype: RecordType::L64,
        class: Class::IN,
    });
    message
}

fn l64(preference: u16) -> Record {
    let preference = preference.to_be_bytes();
    let rdata = [&preference[..], &[0x20, 1, 0xd, 0xb8, 0, 0xa, 0, 0]].concat();
    record("h.example.org.", RecordType::L64, &rdata)
}

#[test]
fn owner_names_are_compressed() {
    let mut message = response();
    message.answers = vec![l64(10), l64(20)];
    let wire = message.to_wire(512);
    assert_eq!(wire.len(), 12 + 19 + 2 * (2 + 10 + 10));
    assert_eq!(Message::from_wire(&wire), Ok(message));
}

#[test]
fn names_in_rdata_are_compressed_in_the_types_of_rfc_1035_alone() {
    let target = name("site.example.org.");
    let long = [&[0, 10], target.wire()].concat();
    let mut message = response();
    message.answers = vec![
        record("h.example.org.", RecordType::CNAME, target.wire()),
        record("h.example.org.", RecordType::MX, &long),
        record("h.example.org.", RecordType::LP, &long),
        record("h.example.org.", RecordType::DNAME, target.wire()),
    ];
    let wire = message.to_wire(512);
    // "site" and a pointer; a preference and a pointer; then both whole.
    let rdata = 7 + 4 + 20 + 18;
    assert_eq!(wire.len(), 12 + 19 + 4 * 12 + rdata);
    assert_eq!(Message::from_wire(&wire), Ok(message));
}

#[test]
fn compressed_names_in_rdata_come_out_whole() {
    let mut wire = response().to_wire(512);
    wire[7] = 1;
    wire.extend_from_slice(
        b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x05\x00\x0a\x00\x01\x00\x02\x00\x03\x01s\xc0\x0c",
    );
    let message = Message::from_wire(&wire).unwrap();
    let target = name("s.h.example.org.");
    assert_eq!(
        message.answers[0].rdata,
        [b"\x00\x01\x00\x02\x00\x03", target.wire()].concat()
    );
    // The same in an LP record stays as it is: it is not for the codec to judge.
    let at = wire.len() - 19;
    wire[at] = 107;
    let message = Message::from_wire(&wire).unwrap();
    assert_eq!(message.answers[0].rdata.len(), 10);
}

#[test]
fn opt_carries_version_payload_flag_and_the_upper_bits_of_the_code() {
    let mut message = response();
    message.rcode = Rcode::BADVERS;
    message.edns = Some(Edns {
        version: 1,
        udp_payload: 1232,
        dnssec_ok: true,
    });
    let wire = message.to_wire(512);
    assert!(wire.ends_with(b"\x00\x00\x29\x04\xd0\x01\x01\x80\x00\x00\x00"));
    assert_eq!(Message::from_wire(&wire), Ok(message));
}

#[test]
fn a_record_without_room_sets_tc_and_ends_the_message() {
    let mut message = response();
    message.edns = Some(Edns {
        version: 0,
        udp_payload: 512,
        dnssec_ok: false,
    });
    message.answers = (0..30).map(l64).collect();
    message.additionals = vec![l64(99)];
    let wire = message.to_wire(512);
    assert!(wire.len() <= 512);
    let cut = Message::from_wire(&wire).unwrap();
    assert!(cut.truncated);
    assert_eq!(cut.answers.len(), (512 - 12 - 19 - 11) / 22);
    assert_eq!(cut.additionals, []);
    assert_eq!(cut.edns, message.edns);
}

#[test]
fn additional_records_are_left_out_without_tc() {
    let mut message = response();
    message.authoritative = true;
    message.answers = (0..20).map(l64).collect();
    message.additionals = vec![
        record("h.example.org.", RecordType::NID, &[0; 10]),
        record("x.example.org.", RecordType::NID, &[0; 10]),
        record("x.example.org.", RecordType::NID, &[1; 10]),
    ];
    let limit = message.to_wire(1024).len() - 1;
    let cut = Message::from_wire(&message.to_wire(limit)).unwrap();
    assert!(!cut.truncated);
    assert_eq!(cut.additionals, message.additionals[..1]);
}

#[test]
fn a_referral_without_room_for_its_glue_sets_tc() {
    let mut message = response();
    message.authorities = vec![record("org.", RecordType::NS, name("ns.org.").wire())];
    message.additionals = vec![record("ns.org.", RecordType::AAAA, &[1; 16])];
    let limit = message.to_wire(512).len() - 1;
    let cut = Message::from_wire(&message.to_wire(limit)).unwrap();
    assert!(cut.truncated && cut.additionals.is_empty());
}

#[test]
fn a_tsig_record_is_left_out_and_must_be_the_last() {
    let tsig = record("key.", RecordType::TSIG, &[0; 20]);
    let mut message = response();
    message.additionals = vec![l64(1), tsig.clone()];
    let read = Message::from_wire(&message.to_wire(512)).unwrap();
    assert_eq!(read.additionals, [l64(1)]);

    for wrong in [vec![tsig.clone(), l64(1)], vec![tsig.clone(), tsig.clone()]] {
        message.additionals = wrong;
        assert!(Message::from_wire(&message.to_wire(512)).is_err());
    }
    message.additionals.clear();
    message.answers = vec![tsig];
    assert!(Message::from_wire(&message.to_wire(512)).is_err());
}

#[test]
fn broken_messages_are_refused() {
    assert_eq!(Message::from_wire(&[0; 11]), Err(MessageError::Header(11)));

    let mut trailing = response().to_wire(512);
    trailing.push(0);
    assert_eq!(
        Message::from_wire(&trailing),
        Err(MessageError::Trailing(1))
    );

    let header = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for question in [
        &b""[..],
        b"\xc0\x0c\x00\x01\x00\x01",      // points at itself
        b"\xc0\x0e\x00\x01\x00\x01",      // forward
        b"\x01a\xc0\x0c\x00\x01\x00\x01", // a loop by way of a label
        b"\x40a\x00\x00\x01\x00\x01",     // a label type that is not in use
        b"\x05abc",
        b"\x01a\x00\x00\x01",
    ] {
        let wire = [&header[..], question].concat();
        let error = Message::from_wire(&wire).unwrap_err();
        assert!(
            error.to_string().starts_with("the question section"),
            "{error}"
        );
    }
}

#[test]
fn a_count_without_records_reserves_no_memory() {
    let mut wire = [0; 12];
    wire[6..].fill(0xff);
    assert!(Message::from_wire(&wire).is_err());
}

#[test]
fn rdata_that_is_not_as_its_type_has_it_is_written_as_it_is() {
    let mut message = response();
    message.opcode = Opcode::UPDATE;
    message.authorities = vec![record("a.", RecordType::SOA, &[])];
    assert_eq!(
        Message::from_wire(&message.to_wire(512)),
        Ok(message.clone())
    );
    message.authorities = vec![record("a.", RecordType::MX, &[1])];
    assert!(Message::from_wire(&message.to_wire(512)).is_err());
}

fn any_name() -> impl Strategy<Value = Name> {
    let label = prop::collection::vec(prop::sample::select(&b"ab.\x00\xff"[..]), 1..4);
    prop::collection::vec(label, 0..4).prop_map(|labels| {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend(label);
        }
        wire.push(0);
        Name::from_wire(&wire).unwrap()
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let opaque = prop::sample::select(vec![1, 16, 28, 43, 46, 104, 105, 106, 107, 1234]);
    let opaque = (opaque, prop::collection::vec(any::<u8>(), 0..40));
    let named = prop::sample::select(vec![2, 5, 12, 39]);
    let named = (named, any_name().prop_map(|name| name.wire().to_vec()));
    let data = prop_oneof![opaque, named];
    let fields = (any_name(), data, any::<u16>(), any::<u32>());
    fields.prop_map(|(name, (rtype, rdata), class, ttl)| Record {
        name,
        rtype: RecordType(rtype),
        class: Class(class),
        ttl,
        rdata: rdata.into(),
    })
}

proptest! {
    #[test]
    fn any_message_survives_the_wire(
        id in any::<u16>(),
        opcode in 0_u8..16,
        rcode in 0_u16..16,
        flags in prop::array::uniform7(any::<bool>()),
        owner in any_name(),
        sections in prop::array::uniform3(prop::collection::vec(any_record(), 0..6)),
    ) {
        let [answers, authorities, additionals] = sections;
        let message = Message {
            response: flags[0],
            authoritative: flags[1],
            truncated: flags[2],
            recursion_desired: flags[3],
            recursion_available: flags[4],
            authentic_data: flags[5],
            checking_disabled: flags[6],
            rcode: Rcode(rcode),
            questions: vec![Question { name: owner, rtype: RecordType::ANY, class: Class::ANY }],
            answers,
            authorities,
            additionals,
            ..Message::request(id, Opcode(opcode))
        };
        let wire = message.to_wire(65_535);
        prop_assert_eq!(Message::from_wire(&wire), Ok(message.clone()));
        for limit in [40, 100, wire.len().saturating_sub(1)] {
            let cut = message.to_wire(limit);
            prop_assert!(cut.len() <= limit);
            prop_assert!(Message::from_wire(&cut).is_ok());
        }
    }

    #[test]
    fn hickory_reads_the_same(records in prop::collection::vec(any_record(), 0..6)) {
        let mut message = response();
        message.answers = records.into_iter().filter(|one| one.rtype >= RecordType::NID && !one.rdata.is_empty()).collect();
        let read = hickory_proto::op::Message::from_vec(&message.to_wire(65_535)).unwrap();
        for (ours, theirs) in message.answers.iter().zip(&read.answers) {
            prop_assert_eq!(ours.ttl, theirs.ttl);
            prop_assert_eq!(ours.rtype.0, u16::from(theirs.record_type()));
        }
        prop_assert_eq!(read.answers.len(), message.answers.len());
    }

    #[test]
    fn no_octets_make_it_panic(
        counts in prop::array::uniform4(0_u8..3),
        body in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0xc0)], 0..60),
    ) {
        let mut wire = vec![0; 12];
        for (at, count) in counts.into_iter().enumerate() {
            wire[5 + 2 * at] = count;
        }
        wire.extend(body);
        if let Ok(message) = Message::from_wire(&wire) {
            prop_assert_eq!(Message::from_wire(&message.to_wire(65_535)), Ok(message));
        }
    }
}
