//! Who may talk to whom.

use ilnp_relocate::channel::{self, ChannelError};
use ilnp_relocate::pki::Authority;
use ilnp_relocate::tls::Identity;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{World, files, meet, site, soon};

/// What both sides of a refused connection say.
fn refusals<T: std::fmt::Debug>(
    (dialler, listener): (Result<T, ChannelError>, Result<T, ChannelError>),
) -> (String, String) {
    (
        dialler.unwrap_err().to_string(),
        listener.unwrap_err().to_string(),
    )
}

/// The files of site `name` of another authority.
fn stranger(name: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::init(directory.path(), "another authority").unwrap();
    authority.issue(&site(name)).unwrap();
    directory
}

#[tokio::test]
async fn peers_of_one_authority_meet() {
    let world = World::new(&["a", "b"]);
    let (ours, theirs, _listener) = soon(world.pair()).await;
    assert_eq!(ours.peer(), &site("b"));
    assert_eq!(theirs.peer(), &site("a"));
}

#[tokio::test]
async fn who_is_no_peer_is_told_so() {
    let world = World::new(&["a", "b", "c"]);
    let listener = world.listener("b", &["a"]);
    let (dialler, at_listener) = refusals(meet(&listener, &world.identity("c"), "b").await);
    assert!(
        dialler.contains("it refuses this site: c is no peer of site b"),
        "{dialler}"
    );
    assert!(
        at_listener.contains("site c at") && at_listener.contains("no peer"),
        "{at_listener}"
    );
}

#[tokio::test]
async fn another_site_than_the_wanted_one_is_refused() {
    let world = World::new(&["a", "b", "c"]);
    let listener = world.listener("b", &["a"]);
    let (dialler, at_listener) = refusals(meet(&listener, &world.identity("a"), "c").await);
    assert!(
        dialler.contains("the certificate is of another site"),
        "{dialler}"
    );
    assert!(dialler.contains("site c at"), "{dialler}");
    assert!(
        at_listener.contains("it refuses this site"),
        "{at_listener}"
    );
}

#[tokio::test]
async fn a_site_of_another_authority_is_refused_by_both() {
    let world = World::new(&["a", "b"]);
    let strange = stranger("a");
    let strange = Identity::load(site("a"), files(strange.path(), "a")).unwrap();

    let listener = world.listener("b", &["a"]);
    let (dialler, at_listener) = refusals(meet(&listener, &strange, "b").await);
    assert!(
        dialler.contains("the certificate is of another authority"),
        "{dialler}"
    );
    assert!(
        at_listener.contains("it says that this site's certificate is of another"),
        "{at_listener}"
    );

    // Who believes in both authorities is refused all the same by who does not.
    let mixed = stranger("a");
    for file in ["ca.pem", "revoked.pem"] {
        let mut both = std::fs::read(mixed.path().join(file)).unwrap();
        both.extend(std::fs::read(world.directory.path().join(file)).unwrap());
        std::fs::write(mixed.path().join(file), both).unwrap();
    }
    let mixed = Identity::load(site("a"), files(mixed.path(), "a")).unwrap();
    let (dialler, at_listener) = refusals(meet(&listener, &mixed, "b").await);
    assert!(
        dialler.contains("it says that this site's certificate is of another"),
        "{dialler}"
    );
    assert!(
        at_listener.contains("the certificate is of another authority"),
        "{at_listener}"
    );
}

#[tokio::test]
async fn what_speaks_no_tls_is_refused_at_once() {
    let world = World::new(&["a", "b"]);
    let listener = world.listener("b", &["a"]);
    let mut plain = TcpStream::connect(listener.addresses()[0]).await.unwrap();
    plain
        .write_all(b"{\"protocol\":1,\"site\":\"a\"}\r\n\r\n")
        .await
        .unwrap();
    let refusal = soon(listener.accept()).await.unwrap_err().to_string();
    assert!(refusal.contains("it does not speak TLS 1.3"), "{refusal}");
    let mut rest = Vec::new();
    let _ = soon(plain.read_to_end(&mut rest)).await;

    // And so is a listener that speaks none.
    let nobody = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    let answer = tokio::spawn(async move {
        let (mut stream, _) = nobody.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let identity = world.identity("a");
    let error = soon(channel::connect(address, &site("b"), &identity))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("it does not speak TLS 1.3"),
        "{error}"
    );
    answer.abort();
}
