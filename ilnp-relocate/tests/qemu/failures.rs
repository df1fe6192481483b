//! Moves that fail: the guest goes on at the source, alone, with its disk whole.

use ilnp_relocate::hypervisor::{Source as _, Storage, Stream, Target as _};
use ilnp_relocate::qemu::Incoming;
use tokio::sync::mpsc;

use crate::link::{Flow, Link, Moment};
use crate::scene::{Ends, Scene, plan};

#[tokio::test]
async fn a_guest_goes_on_wherever_the_link_is_cut() {
    let scene = Scene::new(64);
    let (a, b) = (scene.settings("a"), scene.settings("b"));
    let _ends = [Ends(a.clone()), Ends(b.clone())];
    let mut guest = scene.boot(&a).await;
    let plan = plan(Storage::Delta);
    let disk = Stream::Disk("vd0".into());
    let moments = [
        Moment::After(disk.clone(), 1),
        Moment::After(disk, 100_000),
        Moment::After(Stream::Memory, 1),
        Moment::After(Stream::Memory, 20 << 20),
        Moment::AboutToStop,
        Moment::Stopped,
    ];
    for moment in moments {
        let description = guest.describe().await.unwrap();
        let mut incoming = Incoming::new(b.clone()).unwrap();
        incoming.prepare(&description, &plan).await.unwrap();
        let link = Link::new(&scene.path("link"), &incoming, moment.clone(), Flow::Cut);
        let (progress, _reports) = mpsc::channel(16);
        let error = guest.copy(&plan, &*link, &progress).await.unwrap_err();
        println!("{moment:?}: {error}");
        guest.resume().await.unwrap();
        scene.writes_again("a").await;
        incoming.discard().await.unwrap();
        assert!(!scene.path("b/vm1.qcow2.incoming").exists());
    }
    drop(guest);
}
