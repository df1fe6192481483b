//! What an agent may say that is wrong.

use serde_json::json;

use super::{A, D, E, Led, has_address};
use crate::clones::site::session;
use crate::daemon_net::Net;

/// A plan with one thing changed, and a part of what is said of it.
const PLANS: [(&str, &str, &str); 14] = [
    ("epoch", "0", "custody since epoch 1"),
    ("epoch", "1", "custody since epoch 1"),
    ("locators", "[]", "0 Locators"),
    ("locators", r#"["2001:db8:d::/56"]"#, "2001:db8:d::/56"),
    ("locators", r#"["fe80::/64"]"#, "no Locator"),
    ("locators", r#"["ff02::/64"]"#, "no Locator"),
    ("locators", r#""2001:db8:d::/64""#, "sequence"),
    ("router", r#""2001:db8:d::1""#, "link-local"),
    ("router", r#""ff02::2""#, "link-local"),
    ("router", r#""router""#, "invalid"),
    ("router-mac", r#""33:33:00:00:00:02""#, "MAC address"),
    ("router-mac", r#""52:54:00""#, "MAC address"),
    ("epoch", "-1", "u64"),
    ("epoch", "null", "u64"),
];

/// Requests and a part of what is said of them, while epoch 2 is prepared.
const REQUESTS: [(&str, &str); 8] = [
    (r#"{"switch": {"epoch": 3}}"#, "epoch 2 was prepared"),
    (r#"{"cancel": {"epoch": 1}}"#, "epoch 2 was prepared"),
    (r#"{"switch": {}}"#, "epoch"),
    (r#"{"fly": {}}"#, "no variant"),
    (
        r#"{"hello": {"site": "a", "epoch": 1, "instance": "a"}}"#,
        "instance",
    ),
    (
        r#"{"fence": {"epoch": 0, "reason": "late"}}"#,
        "out of date",
    ),
    (r#"{"prepare": {"epoch": 3}}"#, "site"),
    (r#"{"schema": 2, "switch": {"epoch": 2}}"#, "schema 2"),
];

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let net = Net::new("wrong");
    let mut led = Led::start(&net);
    let refused = led.agent.ask(json!({"switch": {"epoch": 2}}));
    let reason = refused["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("nothing is prepared"), "{refused}");
    for (key, value, expected) in PLANS {
        let mut request = led.request(2, D);
        request["prepare"][key] = serde_json::from_str(value).unwrap();
        let refused = led.agent.ask(request);
        let reason = refused["error"]["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{key} {value}: {reason}");
    }
    let many: Vec<_> = (0..9).map(|it| format!("2001:db8:{it}::/64")).collect();
    let mut request = led.request(2, D);
    request["prepare"]["locators"] = json!(many);
    let refused = led.agent.ask(request);
    assert!(refused["error"].is_object(), "{refused}");
    assert!(led.plan().is_null());
    assert!(!has_address(&net, D));
    led.wait_preferred(A);

    led.prepare(2, D);
    for (request, expected) in REQUESTS {
        let refused = led.agent.ask(serde_json::from_str(request).unwrap());
        let reason = refused["error"]["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{request}: {reason}");
    }
    let mut wrong = led.request(3, E);
    wrong["prepare"]["router"] = json!("::");
    assert!(led.agent.ask(wrong)["error"].is_object());
    // Nobody can be told of these.
    led.agent.write(
        b"\xff\xfe{\"schema\":1}\n{}\n[]\nswitch\n{\"schema\":1,\"switch\":{\"epoch\":2}}\n",
    );
    led.agent.write(&vec![b'x'; 100_000]);
    led.agent.write(b"\n");
    let plan = led.plan();
    assert_eq!(plan["locators"], json!([format!("{D}/64")]), "{plan}");
    assert_eq!(plan["switched"], false);
    assert!(!has_address(&net, E));
    session(&net, "a");
    // And it goes on with what is right.
    led.order("switch", 2);
    led.order("cancel", 2);
    led.wait_preferred(A);
    session(&net, "a");
    let late = led.agent.ask(json!({"switch": {"epoch": 2}}));
    let reason = late["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("nothing is prepared"), "{late}");
    let twice = led.agent.ask(json!({"cancel": {"epoch": 1}}));
    assert!(twice["done"].is_object(), "{twice}");
}
