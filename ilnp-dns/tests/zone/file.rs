//! Master files.

use ilnp_dns::zone::file;
use proptest::prelude::*;

use super::*;

const FILE: &str = r#"; A zone with everything.
$TTL 1h
@   IN SOA ns admin.ns (
        7       ; serial
        1h 10m 1d 5 )
    NS ns
    NS ns.example.com.
ns  60 AAAA 2001:db8::53
    A 192.0.2.53
$ORIGIN mob.example.org.
vm1 3600 IN NID 10 214:4FFF:fe20:ee64
    IN 5 L64 10 2001:0db8:1140:1000
    0 L64 20 2001:db8:1140:2000
    L32 10 10.1.2.0
    LP 10 site1
*   LP 20 Site1.Example.ORG.
site1 TYPE106 \# 10 000a 20010db8 11401000
txt TXT "a b;\"" c\ d "" "\200"
alias CNAME vm1
mail MX 10 mail.example.com.
_ilnp._tcp SRV 0 1 4711 vm1
caa CAA 0 issue "letsencrypt.org"
https HTTPS 1 vm1 alpn=h2
other TYPE4711 \# 0
a\.b.c A 192.0.2.1
"#;

/// The same in canonical order. Types that are read by hickory are written as RFC 3597 has it.
const WRITTEN: &str = r#"example.org.	3600	IN	SOA	ns.example.org. admin.ns.example.org. 7 3600 600 86400 5
example.org.	3600	IN	NS	ns.example.com.
example.org.	3600	IN	NS	ns.example.org.
*.mob.example.org.	3600	IN	LP	20 Site1.Example.ORG.
_ilnp._tcp.mob.example.org.	3600	IN	SRV	0 1 4711 vm1.mob.example.org.
alias.mob.example.org.	3600	IN	CNAME	vm1.mob.example.org.
a\.b.c.mob.example.org.	3600	IN	A	192.0.2.1
caa.mob.example.org.	3600	IN	TYPE257	\# 22 000569737375656c657473656e63727970742e6f7267
https.mob.example.org.	3600	IN	TYPE65	\# 30 000103766d31036d6f62076578616d706c65036f72670000010003026832
mail.mob.example.org.	3600	IN	MX	10 mail.example.com.
other.mob.example.org.	3600	IN	TYPE4711	\# 0
site1.mob.example.org.	3600	IN	L64	10 2001:0db8:1140:1000
txt.mob.example.org.	3600	IN	TXT	"a b;\"" "c d" "" "\200"
vm1.mob.example.org.	3600	IN	NID	10 0214:4fff:fe20:ee64
vm1.mob.example.org.	3600	IN	L32	10 10.1.2.0
vm1.mob.example.org.	0	IN	L64	10 2001:0db8:1140:1000
vm1.mob.example.org.	0	IN	L64	20 2001:0db8:1140:2000
vm1.mob.example.org.	3600	IN	LP	10 site1.mob.example.org.
ns.example.org.	3600	IN	A	192.0.2.53
ns.example.org.	60	IN	AAAA	2001:db8::53
"#;

fn read(text: &str) -> Zone {
    file::read(text.as_bytes(), &name("example.org.")).unwrap()
}

#[test]
fn a_file_is_read_and_written() {
    let zone = read(FILE);
    assert_eq!(zone.serial().0, 7);
    assert_eq!(file::write(&zone), WRITTEN);
    assert_eq!(file::write(&read(WRITTEN)), WRITTEN);
}

#[test]
fn the_records_do_not_depend_on_the_class() {
    let zone = read(
        "$TTL 0
@ CH SOA ns ns 1 2 3 4 5
@ CH NS ns
a CH NID 10 0214:4fff:fe20:ee64
a CH A \\# 3 010203",
    );
    assert_eq!(zone.class(), Class(3));
    assert!(file::write(&zone).contains("a.example.org.\t0\tCH\tNID\t10 0214:4fff:fe20:ee64\n"));
}

/// The mistakes in records behind two that are right.
fn mistakes(records: &str) -> Vec<String> {
    let apex = "@ 60 SOA ns ns 1 2 3 4 5\n@ 60 NS ns\n";
    let text = [apex, records].concat();
    let mistakes = file::read(text.as_bytes(), &name("example.org.")).unwrap_err();
    let told = |mistake: &ilnp_service::mistake::Mistake| {
        let position = mistake.position;
        format!("{}:{} {}", position.line, position.column, mistake.message)
    };
    mistakes.iter().map(told).collect()
}

#[test]
fn mistakes_are_told_with_line_and_column() {
    for (records, line_and_column, message) in [
        ("a 5 NID 10 14::64", "3:12", "expected four groups"),
        (
            "a 5 NID 65536 1:2:3:4",
            "3:9",
            "expected a number from 0 to 65535",
        ),
        (
            "a 5 NID -1 1:2:3:4",
            "3:9",
            "expected a number from 0 to 65535",
        ),
        ("a 5 L64 10", "3:11", "found no more, expected four groups"),
        (
            "a 5 L64 10 1:2:3:4 5",
            "3:20",
            "expected the end of the record",
        ),
        (
            "a 5 L64 \\# 3 0a0b0c",
            "3:5",
            "malformed or of a wrong length",
        ),
        ("a 5 L64 \\# 3 0a0b", "3:9", "found 4 hex digits"),
        ("a 5 L64 \\# 1 0x", "3:14", "expected hex digits"),
        (
            "a 5 L32 10 10.1.02.0",
            "3:12",
            "expected four decimal numbers",
        ),
        ("a 5 LP 10 a", "3:5", "must not point at"),
        ("a 5 LP 10 a..b", "3:11", "has a label that is empty"),
        (
            "a 5 L65 10 1:2:3:4",
            "3:5",
            "expected a TTL, a class or a record type",
        ),
        (
            "a 5 CH L64 10 1:2:3:4\nb 5 IN A 192.0.2.1",
            "4:5",
            "expected the class of",
        ),
        ("a 5", "3:1", "found no record type"),
        ("a", "3:1", "found no record type"),
        ("a 5 TXT \"x", "3:9", "quote is not closed"),
        ("a 5 TXT (x\ny", "3:9", "never closed"),
        ("a 5 TXT x)", "3:10", "without a \"(\""),
        ("a 5 TXT \\25", "3:9", "three digits"),
        ("é 5 A x", "3:7", "expected four decimal"),
        ("\n\n  5 A x", "5:7", "expected four decimal"),
        ("$INCLUDE other", "3:1", "expected $ORIGIN or $TTL"),
        ("$TTL", "3:1", "$TTL and one time"),
        ("$TTL 1y", "3:6", "expected a time"),
        ("$ORIGIN a b", "3:1", "$ORIGIN and one name"),
        ("\"a\" 5 A 192.0.2.1", "3:1", "without quotes"),
        ("a 5 CAA x", "3:5", "cannot read"),
        ("a 5 DNSKEY x", "3:5", "expected"),
        ("a 5 ANY x", "3:5", ""),
        ("a.example.com. 5 A 192.0.2.1", "3:1", "not within zone"),
        ("a 2147483648 A 192.0.2.1", "3:1", "is above 2147483647"),
        (
            "a 5 CNAME b\na 5 A 192.0.2.1",
            "4:1",
            "must be the only record",
        ),
        (
            "a 5 CNAME b\na 5 CNAME c",
            "4:1",
            "has several CNAME records",
        ),
        ("a 5 SOA a a 1 2 3 4 5", "3:1", "belongs to the apex"),
        ("@ 5 SOA a a 1 2 3 4 5", "3:1", "has several SOA records"),
    ] {
        let found = mistakes(records);
        let expected = format!("{line_and_column} ");
        assert!(found[0].starts_with(&expected), "{records:?}: {found:?}");
        assert!(found[0].contains(message), "{records:?}: {found:?}");
    }
}

#[test]
fn all_mistakes_are_told_but_not_more_than_twenty() {
    assert_eq!(mistakes("a 5 A x\nb 5 A y").len(), 2);
    assert_eq!(mistakes(&"a 5 A x\n".repeat(100)).len(), 20);
}

#[test]
fn an_apex_needs_soa_and_ns() {
    for (text, message) in [
        ("", "has no SOA record"),
        ("@ 60 NS ns", "has no SOA record"),
        ("@ 60 SOA ns ns 1 2 3 4 5", "has no NS record"),
        ("@ SOA ns ns 1 2 3 4 5", "expected a TTL before it"),
    ] {
        let mistakes = file::read(text.as_bytes(), &name("example.org.")).unwrap_err();
        assert!(mistakes[0].message.contains(message), "{mistakes:?}");
    }
    let mistakes = file::read(b"a\n\xff", &name("example.org.")).unwrap_err();
    assert_eq!(mistakes[0].position.line, 2);
}

proptest! {
    #[test]
    fn any_records_survive_their_text(records in prop::collection::vec(any_record(), 0..30)) {
        // Those that cannot stand beside others are left out.
        let mut zone = zone("");
        let mut taken: Vec<Record> = zone.records().collect();
        for record in records {
            taken.push(record);
            match Zone::from_records(name("example.org."), Class::IN, taken.clone()) {
                Ok(larger) => zone = larger,
                Err(_) => drop(taken.pop()),
            }
        }
        prop_assert_eq!(sorted(&read(&file::write(&zone))), sorted(&zone));
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"[@a.\\"();$ \n0-9A-Zé\t]{0,80}"#) {
        let _mistakes_or_not = file::read(text.as_bytes(), &name("example.org."));
    }
}
