//! Who may talk to whom.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ilnp_relocate::channel::{self, ChannelError, Connection};
use ilnp_relocate::pki::Authority;
use ilnp_relocate::tls::{Identity, TlsError};
use rcgen::ExtendedKeyUsagePurpose;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stranger::{self, Credentials};
use super::world::{Meeting, World, files, listen, meet, site, soon};

/// What both sides of a refused connection say.
fn refusals((dialler, listener): Meeting) -> (String, String) {
    (
        dialler.unwrap_err().to_string(),
        listener.unwrap_err().to_string(),
    )
}

/// The files of site `name` of another authority.
fn other_authority(name: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::init(directory.path(), "another authority").unwrap();
    authority.issue(&site(name)).unwrap();
    directory
}

/// Revokes a site's certificate, and gives the certificate back: its thief has it still.
fn revoke(world: &World, name: &str) -> Credentials {
    world.authority().revoke(&site(name)).unwrap();
    let find = |kind: &str| -> PathBuf {
        let mut away = std::fs::read_dir(world.path("revoked")).unwrap();
        let is_it = |path: &PathBuf| {
            let file = path.file_name().unwrap().to_str().unwrap();
            file.starts_with(name) && file.ends_with(kind)
        };
        away.find_map(|entry| Some(entry.unwrap().path()).filter(is_it))
            .unwrap()
    };
    Credentials::read(&find(".pem"), &find(".key"))
}

#[tokio::test]
async fn peers_of_one_authority_meet() {
    let world = World::new(&["a", "b"]);
    let (ours, theirs, _listener) = world.pair().await;
    assert_eq!((ours.peer(), theirs.peer()), (&site("b"), &site("a")));
}

#[tokio::test]
async fn who_is_no_peer_is_told_so() {
    let world = World::new(&["a", "b", "c"]);
    let listener = listen(&world.identity("b"), &["a"]);
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
    let listener = listen(&world.identity("b"), &["a"]);
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
async fn who_claims_to_be_another_site_is_refused() {
    let world = World::new(&["a", "b", "c"]);
    let listener = listen(&world.identity("b"), &["a"]);
    let credentials = Credentials::read(&world.path("c.pem"), &world.path("c.key"));
    let hello = br#"{"protocol":1,"site":"a"}"#;
    let address = listener.addresses()[0];
    let dialling = stranger::dial(&world, address, Some(credentials), "ilnp-relocate", hello);
    let (answer, refused) = soon(async { tokio::join!(dialling, listener.accept()) }).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("its certificate is not of site a"),
        "{refused}"
    );
    let answer = String::from_utf8_lossy(&answer.unwrap()).into_owned();
    assert!(
        answer.contains("its certificate is not of site a"),
        "{answer}"
    );
}

#[tokio::test]
async fn another_version_is_told_to_both() {
    let world = World::new(&["a", "b"]);
    let listener = listen(&world.identity("b"), &["a"]);
    let credentials = Credentials::read(&world.path("a.pem"), &world.path("a.key"));
    let hello = br#"{"protocol":2,"site":"a","more":[1,2,3]}"#;
    let address = listener.addresses()[0];
    let dialling = stranger::dial(&world, address, Some(credentials), "ilnp-relocate", hello);
    let (answer, refused) = soon(async { tokio::join!(dialling, listener.accept()) }).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("it speaks version 2 of the protocol"),
        "{refused}"
    );
    let answer = String::from_utf8_lossy(&answer.unwrap()).into_owned();
    assert!(answer.contains("speaks version 2"), "{answer}");
}

#[tokio::test]
async fn a_site_of_another_authority_is_refused_by_both() {
    let world = World::new(&["a", "b"]);
    let other = other_authority("a");
    let stranger = Identity::load(site("a"), files(other.path(), "a")).unwrap();
    let listener = listen(&world.identity("b"), &["a"]);
    let (dialler, at_listener) = refusals(meet(&listener, &stranger, "b").await);
    assert!(
        dialler.contains("the certificate is of another authority"),
        "{dialler}"
    );
    assert!(
        at_listener.contains("this site's certificate is of another"),
        "{at_listener}"
    );

    // Who believes in both authorities is refused all the same by who does not.
    for file in ["ca.pem", "revoked.pem"] {
        let mut both = std::fs::read(other.path().join(file)).unwrap();
        both.extend(std::fs::read(world.path(file)).unwrap());
        std::fs::write(other.path().join(file), both).unwrap();
    }
    let (dialler, at_listener) = refusals(meet(&listener, &stranger, "b").await);
    assert!(
        dialler.contains("this site's certificate is of another authority"),
        "{dialler}"
    );
    assert!(
        at_listener.contains("the certificate is of another authority"),
        "{at_listener}"
    );
}

#[tokio::test]
async fn certificates_that_are_not_good_now_for_this_are_refused() {
    let world = World::new(&["a", "b"]);
    let listener = listen(&world.identity("b"), &["a"]);
    let hour = Duration::from_secs(3600);

    let expired = Credentials::forge(&world, |of| {
        of.not_after = (SystemTime::now() - hour / 2).into()
    });
    let refusal = stranger::refusal(&world, &listener, Some(expired)).await;
    assert!(refusal.contains("the certificate has expired"), "{refusal}");

    let early = Credentials::forge(&world, |of| {
        of.not_before = (SystemTime::now() + hour / 2).into()
    });
    let refusal = stranger::refusal(&world, &listener, Some(early)).await;
    assert!(
        refusal.contains("not valid yet: are the clocks right?"),
        "{refusal}"
    );

    let of_servers = Credentials::forge(&world, |of| {
        of.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let refusal = stranger::refusal(&world, &listener, Some(of_servers)).await;
    assert!(refusal.contains("the certificate is refused"), "{refusal}");

    let refusal = stranger::refusal(&world, &listener, None).await;
    assert!(refusal.contains("it shows no certificate"), "{refusal}");

    // Who dials looks as closely.
    let expired = Credentials::forge(&world, |of| {
        of.not_after = (SystemTime::now() - hour / 2).into()
    });
    let address = stranger::listen(expired).await;
    let identity = world.identity("b");
    let error = soon(channel::connect(address, &site("a"), &identity))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the certificate has expired"),
        "{error}"
    );
}

#[tokio::test]
async fn a_revoked_site_is_refused_by_who_listens_and_by_who_dials() {
    let world = World::new(&["a", "b", "c"]);
    let (b, c) = (world.identity("b"), world.identity("c"));
    let listener = listen(&b, &["a"]);
    let thief = revoke(&world, "a");
    let refusal = stranger::refusal(&world, &listener, Some(thief)).await;
    assert!(refusal.contains("the certificate was revoked"), "{refusal}");

    let thief = revoke(&world, "b");
    let address = stranger::listen(thief).await;
    let error = soon(channel::connect(address, &site("b"), &c))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the certificate was revoked"),
        "{error}"
    );

    // With a new certificate it is taken again.
    world.authority().issue(&site("b")).unwrap();
    let (ours, theirs) = meet(&listen(&b, &["c"]), &c, "b").await;
    let _both = (ours.unwrap(), theirs.unwrap());
}

#[tokio::test]
async fn a_connection_that_stands_is_cut_off_with_its_revocation() {
    let world = World::new(&["a", "b", "c"]);
    let b = world.identity("b");
    let listener = listen(&b, &["a", "c"]);
    let cut = async |ours: Connection, theirs: Connection| {
        let reason = soon(theirs.closed()).await;
        assert!(
            matches!(reason, ChannelError::Distrusted { .. }),
            "{reason}"
        );
        assert!(
            reason.to_string().contains("the certificate was revoked"),
            "{reason}"
        );
        soon(ours.closed()).await;
    };

    // By SIGHUP.
    let (ours, theirs) = meet(&listener, &world.identity("a"), "b").await;
    revoke(&world, "a");
    b.reload().unwrap();
    cut(ours.unwrap(), theirs.unwrap()).await;

    // By the next connection of anybody.
    world.authority().issue(&site("a")).unwrap();
    let (ours, theirs) = meet(&listener, &world.identity("a"), "b").await;
    revoke(&world, "a");
    let (other, _theirs) = meet(&listener, &world.identity("c"), "b").await;
    cut(ours.unwrap(), theirs.unwrap()).await;
    other.unwrap().send(&"still here").await.unwrap();
}

#[tokio::test]
async fn without_a_good_revocation_list_nobody_is_accepted() {
    let world = World::new(&["a", "b"]);
    let (a, b) = (world.identity("a"), world.identity("b"));
    let listener = listen(&b, &["a"]);
    let (list, away) = (world.path("revoked.pem"), world.path("away.pem"));
    std::fs::rename(&list, &away).unwrap();
    let to = site("b");
    let error = channel::connect(listener.addresses()[0], &to, &a)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    assert!(matches!(b.reload().unwrap_err(), TlsError::Read { .. }));

    // Another authority's list is none.
    let other = other_authority("a");
    std::fs::copy(other.path().join("revoked.pem"), &list).unwrap();
    let error = b.reload().unwrap_err().to_string();
    assert!(error.contains("there is no revocation list"), "{error}");

    std::fs::rename(&away, &list).unwrap();
    b.reload().unwrap();
    let (ours, theirs) = meet(&listener, &a, "b").await;
    let _both = (ours.unwrap(), theirs.unwrap());
}

#[tokio::test]
async fn what_speaks_no_tls_is_refused_at_once() {
    let world = World::new(&["a", "b"]);
    let listener = listen(&world.identity("b"), &["a"]);
    let mut plain = TcpStream::connect(listener.addresses()[0]).await.unwrap();
    plain
        .write_all(b"{\"protocol\":1,\"site\":\"a\"}\r\n\r\n")
        .await
        .unwrap();
    let refusal = soon(listener.accept()).await.unwrap_err().to_string();
    assert!(refusal.contains("it does not speak TLS 1.3"), "{refusal}");
    let _ = soon(plain.read_to_end(&mut Vec::new())).await;

    // Nor is a listener that speaks none believed.
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

    // Nor is TLS that is meant for something else.
    let credentials = Credentials::read(&world.path("a.pem"), &world.path("a.key"));
    let address = listener.addresses()[0];
    let dialling = stranger::dial(&world, address, Some(credentials), "h2", b"GET / HTTP/2");
    let (_, refusal) = soon(async { tokio::join!(dialling, listener.accept()) }).await;
    let refusal = refusal.unwrap_err().to_string();
    assert!(
        refusal.contains("it is no agent of ilnp-relocate"),
        "{refusal}"
    );
}

#[test]
fn a_site_that_others_would_refuse_hears_why_at_once() {
    let world = World::new(&["a", "b"]);
    let directory = world.path("");
    let fails = |name: &str, change: &dyn Fn(&mut ilnp_relocate::tls::Files)| {
        let mut files = files(&directory, name);
        change(&mut files);
        Identity::load(site(name), files).unwrap_err().to_string()
    };
    let error = fails("a", &|files| files.key = world.path("b.key"));
    assert!(
        error.contains("b.key: the key is not that of the certificate"),
        "{error}"
    );
    let error = fails("a", &|files| {
        files.key = world.path("b.key");
        files.certificate = world.path("b.pem");
    });
    assert!(
        error.contains("it is not of site a") && error.contains("b.pem"),
        "{error}"
    );
    let error = fails("a", &|files| files.ca = world.path("a.key"));
    assert!(
        error.contains("a.key: there is no such thing in it"),
        "{error}"
    );
    let error = fails("a", &|files| files.key = world.path("ca.pem"));
    assert!(error.contains("ca.pem: no key in PEM"), "{error}");
    let error = fails("a", &|files| files.revoked = world.path("missing.pem"));
    assert!(
        error.contains("cannot read") && error.contains("missing.pem"),
        "{error}"
    );

    let other = other_authority("a");
    let error = fails("a", &|files| files.ca = other.path().join("ca.pem"));
    assert!(
        error.contains("a.pem: the certificate is of another authority"),
        "{error}"
    );

    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(world.path("a.key"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = fails("a", &|_| {});
    assert!(error.contains("chmod 600"), "{error}");
}
