//! What is allowed in a zone, but hardly meant.

use super::*;

#[test]
fn hosts_that_nobody_can_reach_are_told() {
    let zone = zone(
        "right.example.org. 5 NID 10 0214:4fff:fe20:ee64
        right.example.org. 5 L64 10 2001:0db8:000a:0000
        right.example.org. 5 AAAA 2001:db8:a:0:214:4fff:fe20:ee64
        site.example.org. 5 L64 10 2001:0db8:000b:0000
        pointing.example.org. 5 NID 10 0214:4fff:fe20:ee65
        pointing.example.org. 5 LP 10 site.example.org.
        pointing.example.org. 5 AAAA 2001:db8:b:0:214:4fff:fe20:ee65
        classic.example.org. 5 AAAA 2001:db8::1
        lost.example.org. 5 NID 10 0214:4fff:fe20:ee66
        nobody.example.org. 5 LP 10 site.example.org.
        split.example.org. 5 NID 10 0214:4fff:fe20:ee67
        split.example.org. 5 L64 10 2001:0db8:000c:0000
        split.example.org. 5 AAAA 2001:db8:c:0:214:4fff:fe20:ee67
        split.example.org. 5 AAAA 2001:db8:d:0:214:4fff:fe20:ee67",
    );
    let mut told: Vec<String> = zone.oddities().map(|oddity| oddity.to_string()).collect();
    told.sort();
    let expected = [
        "lost.example.org. has NID records but no Locator",
        "nobody.example.org. has LP records but no NID record",
        "split.example.org. has the address 2001:db8:d:0:214:4fff:fe20:ee67",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
}
