//! Every resource of the API, over a real socket, answered by a real node.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod api_world;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use api_world::{NID_A, NID_B, call, get, locator, open, post, start};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use ilnp_service::control_socket::{ControlSocket, SocketError, remove_stale};
use serde_json::{Value, json};

#[tokio::test]
async fn status_locators_and_counters_read_as_promised() {
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());

    let (code, mut status) = call(&socket, get("/v1/status")).await;
    assert_eq!(code, StatusCode::OK);
    assert!(status["uptime_s"].take().as_f64().unwrap() < 60.0);
    let own = json!({"locator": "2001:db8:a::/64", "interface": "eth0", "state": "active", "preference": 10, "lifetime_s": 300});
    assert_eq!(
        status,
        json!({
            "schema": 1,
            "nid": NID_A,
            "handle": "fd69:6c6e:7000:2627:214:4fff:fe20:ee64",
            "interface": "ilnp0",
            "ready": true,
            "uptime_s": null,
            "locators": [own],
            "correspondents": 2,
        })
    );

    let (_, locators) = call(&socket, get("/v1/locators")).await;
    assert_eq!(locators, json!({"schema": 1, "locators": [own]}));

    let (_, counters) = call(&socket, get("/v1/counters")).await;
    assert_eq!(counters["packets"]["translated-out"], 7);
    assert_eq!(counters["drops"]["handle-on-wire"], 3);
    assert_eq!(
        counters["drops"]["nonce-wrong"], 0,
        "every reason is listed"
    );
}

#[tokio::test]
async fn a_ping_names_the_locators_and_establishes_the_session() {
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());
    let handle = "fd69:6c6e:7000:2627:216:6fff:fe22:ee66";
    for target in [NID_B, handle, "b.example", "B.Example."] {
        let body = json!({"target": target}).to_string();
        let (code, reply) = call(&socket, post("/v1/ping", &body)).await;
        assert_eq!(code, StatusCode::OK, "{reply}");
        assert_eq!(reply["handle"], handle);
        assert_eq!(reply["remote"], "2001:db8:b::/64");
        assert_eq!(reply["local"], "2001:db8:a::/64");
        assert!(reply["rtt_ms"].as_f64().unwrap() > 0.0);
    }
    let (_, known) = call(&socket, get("/v1/correspondents")).await;
    let b = &known["correspondents"][1];
    assert_eq!(b["nid"], NID_B);
    assert_eq!(b["handle"], handle);
    assert_eq!(b["names"], json!(["b.example"]));
    assert_eq!(b["state"], "established");
    assert_eq!(b["locators"][0]["locator"], "2001:db8:b::/64");
    assert_eq!(b["locators"][0]["state"], "active");
    assert!(b["last_heard_s"].as_f64().unwrap() < 60.0);
    assert_eq!(b["update"], json!({"state": "idle", "tries": 0}));
    let (_, sessions) = call(&socket, get("/v1/sessions")).await;
    assert_eq!(sessions, json!({"schema": 1, "sessions": []}));
}

#[tokio::test]
async fn a_ping_that_nobody_answers_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());
    let body = r#"{"target": "silent.example", "timeout_ms": 50}"#;
    let (code, problem) = call(&socket, post("/v1/ping", body)).await;
    assert_eq!(code, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(problem["schema"], 1);
    assert_eq!(problem["error"], "no answer from silent.example");
    for unknown in ["nobody.example", "2:2:2:2", "::1"] {
        let body = json!({"target": unknown}).to_string();
        let (code, problem) = call(&socket, post("/v1/ping", &body)).await;
        assert_eq!(code, StatusCode::NOT_FOUND, "{problem}");
    }
}

#[tokio::test]
async fn a_move_takes_only_locators_of_this_host() {
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());
    let (code, problem) = call(
        &socket,
        post("/v1/move", r#"{"locator":"2001:db8:b::/64"}"#),
    )
    .await;
    assert_eq!(code, StatusCode::CONFLICT);
    assert!(
        problem["error"]
            .as_str()
            .unwrap()
            .contains("2001:db8:b::/64")
    );

    let (code, done) = call(&socket, post("/v1/move", r#"{"drop":["2001:db8:a::/64"]}"#)).await;
    assert_eq!((code, done), (StatusCode::OK, json!({"schema": 1})));
    let (_, status) = call(&socket, get("/v1/status")).await;
    assert_eq!(status["ready"], false);

    let (code, _) = call(
        &socket,
        post("/v1/move", r#"{"locator":"2001:db8:a::/64"}"#),
    )
    .await;
    assert_eq!(code, StatusCode::OK, "what was given up can be had back");
    let (_, status) = call(&socket, get("/v1/status")).await;
    assert_eq!(status["ready"], true);
}

#[tokio::test]
async fn a_monitor_sees_events_as_lines() {
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());
    let mut stream = open(&socket, get("/v1/monitor")).await.into_body();
    let body = json!({"target": "b.example"}).to_string();
    call(&socket, post("/v1/ping", &body)).await;
    let mut text = String::new();
    while !text.contains("ping-reply") {
        let frame = stream.frame().await.unwrap().unwrap();
        text += str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    let reply: Value = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["event"] == "ping-reply")
        .unwrap();
    assert_eq!(reply["schema"], 1);
    assert_eq!(reply["handle"], "fd69:6c6e:7000:2627:216:6fff:fe22:ee66");
    assert_eq!(reply["nid"], NID_B);
    assert_eq!(reply["remote"], json!(locator("2001:db8:b::/64")));
    assert!(reply["time_s"].as_f64().unwrap() > 1e9);
}

#[tokio::test]
async fn wrong_requests_are_answered_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());
    let status_of = async |request| call(&socket, request).await.0;
    assert_eq!(status_of(get("/v2/status")).await, StatusCode::NOT_FOUND);
    assert_eq!(
        status_of(post("/v1/status", "")).await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    for body in ["", "{", "7", r#"{"drop":["x"]}"#, r#"{"unknown":1}"#] {
        let code = status_of(post("/v1/move", body)).await;
        assert!(code.is_client_error(), "{body:?}: {code}");
    }
    let long = format!("{{\"drop\":[{}]}}", "\"2001:db8:a::/64\",".repeat(2000));
    assert_eq!(
        status_of(post("/v1/move", &long)).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let mut from_a_page = get("/v1/status");
    from_a_page
        .headers_mut()
        .insert("origin", "https://example.org".parse().unwrap());
    assert_eq!(status_of(from_a_page).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn only_root_may_change_anything() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test becomes another user: run it as root"
    );
    let directory = tempfile::tempdir().unwrap();
    let socket = start(directory.path());
    // Let everybody in, as an operator might.
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    for (method, path, code) in [
        ("GET", "/v1/status", "200"),
        ("POST", "/v1/move", "403"),
        ("POST", "/v1/ping", "403"),
    ] {
        let output = tokio::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(["-X", method, "--unix-socket"])
            .arg(&socket)
            .arg(format!("http://localhost{path}"))
            .output()
            .await
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), code, "{path}");
    }
}

#[tokio::test]
async fn a_socket_that_is_answered_is_left_alone_and_a_stale_one_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/hostd.sock");
    let first = ControlSocket::bind(&path).unwrap();
    for refused in [ControlSocket::bind(&path).err(), remove_stale(&path).err()] {
        assert!(matches!(refused, Some(SocketError::InUse(_))));
    }
    drop(first);
    assert!(!directory.path().join("new").exists(), "made and removed");

    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    drop(ControlSocket::bind(&stale).unwrap());
    assert!(!stale.exists());

    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(
        ControlSocket::bind(&file),
        Err(SocketError::NotASocket(_))
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}
