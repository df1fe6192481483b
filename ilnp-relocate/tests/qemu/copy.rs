//! Moves that succeed.

use ilnp_relocate::hypervisor::{Progress, Source as _, Storage, Stream, Target as _};
use ilnp_relocate::qemu::{Incoming, Qemu};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::link::{Flow, Link, Moment};
use crate::scene::{Ends, LIMIT, Scene, loaded, plan};

#[tokio::test]
async fn a_guest_goes_there_and_back_with_its_disk() {
    let scene = Scene::new(64);
    let (a, b) = (scene.settings("a"), scene.settings("b"));
    let _ends = [Ends(a.clone()), Ends(b.clone())];
    let mut guest = scene.boot(&a).await;
    let hops = [("a", "b"), ("b", "a"), ("a", "b")];
    for (from, to) in hops {
        let description = guest.describe().await.unwrap();
        let plan = plan(Storage::Delta);
        let mut incoming = Incoming::new(scene.settings(to)).unwrap();
        incoming.check(&description, &plan).await.unwrap();
        incoming.prepare(&description, &plan).await.unwrap();
        let link = Link::new(&scene.path("link"), &incoming, Moment::Never, Flow::Open);
        let (sender, mut progress) = mpsc::channel(1024);
        let began = Instant::now();
        let copied = timeout(LIMIT, guest.copy(&plan, &*link, &sender)).await;
        let copied = copied.expect("the copy ends").unwrap();
        let copied_at = Instant::now();
        loaded(&mut incoming).await.unwrap();
        incoming.resume().await.unwrap();
        let (resumed_at, calls) = (Instant::now(), link.calls());
        println!(
            "{from} -> {to}: {copied:?}; copy {:?}; stop to resume {:?}; tell to stop {:?}; disk octets {}",
            copied_at - began,
            resumed_at - calls.stopped[0],
            calls
                .about_to_stop
                .iter()
                .map(|told| calls.stopped[0] - *told)
                .collect::<Vec<_>>(),
            link.octets(&Stream::Disk("vd0".into()))
        );
        guest.release().await.unwrap();
        scene.check_disk(&scene.overlay(from), scene.synced(from));
        drop(incoming);
        guest = Qemu::attach(scene.settings(to)).await.unwrap();
        scene.writes_again(to).await;
        drop(sender);
        let mut phases = Vec::new();
        while let Some(report) = progress.recv().await {
            phases.push(report);
        }
        assert!(matches!(phases.last(), Some(Progress::Stopped)));
    }
}
