//! What applications are answered.

use std::sync::atomic::Ordering;

use ilnp_dns::message::Rcode;
use ilnp_dns::name::Name;
use ilnp_dns::record::RecordType;
use ilnp_dns::stub::{Ipv4, Known};

use crate::support::{Running, VM1, VM2, addresses, query, with_edns};
use crate::upstream::{Records, TTL, Upstream, soa};

#[tokio::test]
async fn an_ilnp_name_is_answered_with_its_handle_once_the_daemon_knows_it() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
    assert_eq!(response.answers[0].ttl, TTL);
    assert!(response.recursion_available && !response.authoritative && !response.authentic_data);
    let learnt = stub.learnt();
    assert_eq!(learnt.len(), 1);
    assert_eq!(learnt[0].name.to_string(), "vm1.example.org.");
    assert_eq!(learnt[0].locators[0].locator.to_string(), "2001:db8:a::/64");
}

#[tokio::test]
async fn locators_behind_an_lp_record_are_found() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    // There is no AAAA record at all.
    let response = stub.ask("vm2.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM2]);
    assert_eq!(
        stub.learnt()[0].locators[0].locator.to_string(),
        "2001:db8:b::/64"
    );
}

#[tokio::test]
async fn aliases_stay_in_the_answer() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("WWW.example.org.", RecordType::AAAA).await;
    let answers: Vec<_> = response
        .answers
        .iter()
        .map(|a| (a.name.to_string(), a.rtype))
        .collect();
    let expected = [
        ("www.example.org.".to_owned(), RecordType::CNAME),
        ("vm1.example.org.".to_owned(), RecordType::AAAA),
    ];
    assert_eq!(answers, expected);
    assert_eq!(stub.learnt()[0].name.to_string(), "WWW.example.org.");
    let hidden = stub.ask("www.example.org.", RecordType::A).await;
    assert_eq!(hidden.answers.len(), 1);
}

#[tokio::test]
async fn the_ipv4_addresses_of_an_ilnp_name_are_hidden_or_kept() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::A).await;
    assert_eq!(
        (response.rcode, response.answers.len()),
        (Rcode::NOERROR, 0)
    );
    // The answer may be kept for as long as what it was made of.
    assert_eq!(response.authorities.len(), 1);
    assert_eq!(response.authorities[0].rdata, soa().rdata);
    assert_eq!(response.authorities[0].ttl, TTL);

    let stub = Running::start_with(&[upstream.address], Ipv4::Keep).await;
    let response = stub.ask("vm1.example.org.", RecordType::A).await;
    assert_eq!(addresses(&response), ["192.0.2.1"]);
}

#[tokio::test]
async fn everything_else_passes_octet_by_octet() {
    let records = Records::example();
    let upstream = Upstream::with(records.clone()).await;
    let stub = Running::start(&[upstream.address]).await;
    for (name, rtype) in [
        ("classic.example.org.", RecordType::AAAA),
        ("classic.example.org.", RecordType::A),
        ("classic.example.org.", RecordType::TXT),
        ("vm1.example.org.", RecordType::NID),
        ("vm1.example.org.", RecordType::L64),
        ("vm2.example.org.", RecordType::LP),
        ("vm1.example.org.", RecordType::ANY),
        ("Nothing.example.org.", RecordType::AAAA),
        ("nothing.example.org.", RecordType(65)),
    ] {
        for edns in [false, true] {
            let mut request = query(name, rtype);
            request.checking_disabled = edns;
            if edns {
                request = with_edns(request, true);
            }
            let octets = request.to_wire(4096);
            let response = stub.send_octets(&octets).await;
            assert_eq!(
                response,
                records.response(&request).to_wire(4096),
                "{name} {rtype}"
            );
            let passed = upstream.asked();
            let passed = passed.iter().any(|asked| asked.octets[2..] == octets[2..]);
            assert!(passed, "{name} {rtype}: {octets:x?}");
        }
    }
    assert!(stub.learnt().is_empty());
}

#[tokio::test]
async fn without_a_locator_of_its_own_every_answer_passes() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    stub.daemon.unattached.store(true, Ordering::Relaxed);
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), ["2001:db8:a:0:214:4fff:fe20:ee64"]);
    let response = stub.ask("vm1.example.org.", RecordType::A).await;
    assert_eq!(addresses(&response), ["192.0.2.1"]);
    assert!(stub.learnt().is_empty());
}

#[tokio::test]
async fn a_correspondent_that_does_not_speak_ilnp_keeps_its_classic_answer() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    stub.daemon.classic.store(true, Ordering::Relaxed);
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), ["2001:db8:a:0:214:4fff:fe20:ee64"]);
    let response = stub.ask("vm1.example.org.", RecordType::A).await;
    assert_eq!(addresses(&response), ["192.0.2.1"]);
}

#[tokio::test]
async fn opt_is_answered_with_opt() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    for rtype in [RecordType::AAAA, RecordType::A] {
        for dnssec_ok in [false, true] {
            let request = with_edns(query("vm1.example.org.", rtype), dnssec_ok);
            let response = stub.send(&request).await;
            assert_eq!(response.edns.map(|edns| edns.dnssec_ok), Some(dnssec_ok));
        }
        let response = stub.ask("vm1.example.org.", rtype).await;
        assert_eq!(response.edns, None);
    }
}

#[tokio::test]
async fn what_an_application_can_verify_itself_passes() {
    let signed = Records::example().has("vm1.example.org.", RecordType::RRSIG, "signature");
    let upstream = Upstream::start(move |asked| {
        let mut response = signed.response(&asked.message);
        if asked
            .message
            .edns
            .as_ref()
            .is_some_and(|edns| edns.dnssec_ok)
        {
            let mut other = asked.message.clone();
            other.questions[0].rtype = RecordType::RRSIG;
            response.answers.extend(signed.response(&other).answers);
        }
        vec![response.to_wire(4096)]
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    let mut request = with_edns(query("vm1.example.org.", RecordType::AAAA), false);
    assert_eq!(addresses(&stub.send(&request).await), [VM1]);
    request = with_edns(request, true);
    let response = stub.send(&request).await;
    assert_eq!(addresses(&response), ["2001:db8:a:0:214:4fff:fe20:ee64"]);
    assert_eq!(response.answers.len(), 2);
}

#[tokio::test]
async fn ttls_are_honoured_and_0_is_one() {
    let records = Records::example().ttl(RecordType::L64, 0);
    let upstream = Upstream::with(records).await;
    let stub = Running::start(&[upstream.address]).await;
    for asked in 1..=3 {
        let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
        assert_eq!(response.answers[0].ttl, 0);
        // (DU-09) Only what expired is asked for again.
        assert_eq!(upstream.asked_for(RecordType::L64), asked);
        assert_eq!(upstream.asked_for(RecordType::NID), 1);
        assert_eq!(upstream.asked_for(RecordType::LP), 1);
    }
    assert_eq!(stub.learnt().last().unwrap().locators[0].ttl, 0);
}

#[tokio::test]
async fn queries_at_the_same_time_share_their_look_ups() {
    let records = Records::example().ttl(RecordType::L64, 0);
    let upstream = Upstream::with(records).await;
    let stub = Running::start(&[upstream.address]).await;
    let (one, other) = tokio::join!(
        stub.ask("vm1.example.org.", RecordType::AAAA),
        stub.ask("vm1.example.org.", RecordType::A)
    );
    assert_eq!(addresses(&one), [VM1]);
    assert!(other.answers.is_empty());
    assert_eq!(upstream.asked_for(RecordType::L64), 1);
}

fn pointer_names(message: &ilnp_dns::message::Message) -> Vec<String> {
    let name = |rdata: &[u8]| Name::from_wire(rdata).unwrap().to_string();
    message
        .answers
        .iter()
        .map(|record| name(&record.rdata))
        .collect()
}

const VM1_POINTER: &str =
    "4.6.e.e.0.2.e.f.f.f.f.4.4.1.2.0.7.2.6.2.0.0.0.7.e.6.c.6.9.6.d.f.ip6.arpa.";

#[tokio::test]
async fn a_handle_has_the_name_that_led_to_it() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let unknown = stub.ask(VM1_POINTER, RecordType::PTR).await;
    assert_eq!(unknown.rcode, Rcode::NXDOMAIN);
    assert_eq!(unknown.authorities[0].rtype, RecordType::SOA);
    stub.ask("vm1.example.org.", RecordType::AAAA).await;
    let known = stub.ask(&VM1_POINTER.to_uppercase(), RecordType::PTR).await;
    assert_eq!(pointer_names(&known), ["vm1.example.org."]);
    let other = stub.ask(VM1_POINTER, RecordType::TXT).await;
    assert_eq!((other.rcode, other.answers.len()), (Rcode::NOERROR, 0));
    // Handles are nobody else's business.
    assert_eq!(upstream.asked_for(RecordType::PTR), 0);
    assert_eq!(upstream.asked_for(RecordType::TXT), 0);
}

#[tokio::test]
async fn a_node_that_was_met_has_the_name_of_its_address_if_that_leads_back() {
    const ADDRESS: &str =
        "4.6.e.e.0.2.e.f.f.f.f.4.4.1.2.0.0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    for (name, expected) in [("vm1.example.org.", true), ("vm2.example.org.", false)] {
        let records = Records::example().has(ADDRESS, RecordType::PTR, name);
        let upstream = Upstream::with(records).await;
        let stub = Running::start(&[upstream.address]).await;
        stub.daemon.known.lock().unwrap().push(Known {
            name: None,
            locators: vec!["2001:db8:a::/64".parse().unwrap()],
        });
        let response = stub.ask(VM1_POINTER, RecordType::PTR).await;
        let expected: &[&str] = if expected { &[name] } else { &[] };
        assert_eq!(pointer_names(&response), expected);
        assert_eq!(stub.learnt().len(), expected.len());
    }
}
