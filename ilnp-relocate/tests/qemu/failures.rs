//! Moves that fail: the guest goes on at the source, alone, with its disk whole.

use std::sync::Arc;
use std::time::Duration;

use ilnp_relocate::hypervisor::{
    Copied, HypervisorError, Plan, Source as _, Storage, Stream, Target as _,
};
use ilnp_relocate::qemu::{Incoming, Qemu};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::link::{Flow, Link, Moment};
use crate::scene::{Ends, LIMIT, Scene, kill, loaded, plan};

/// A guest at `a` that is to go to `b`.
struct Move {
    /// Before the scene, which has the files that tell their processes.
    _ends: [Ends; 2],
    scene: Scene,
    guest: Qemu,
    plan: Plan,
}

impl Move {
    async fn of_a_guest_that(work: &str) -> Self {
        let scene = Scene::new(64);
        let (a, b) = (scene.settings_for("a", work), scene.settings_for("b", work));
        let ends = [Ends(a.clone()), Ends(b)];
        let guest = scene.boot(&a).await;
        Self {
            scene,
            guest,
            plan: plan(Storage::Delta),
            _ends: ends,
        }
    }

    async fn prepare(&mut self, moment: Moment, then: Flow) -> (Incoming, Arc<Link>) {
        let description = self.guest.describe().await.unwrap();
        let mut incoming = Incoming::new(self.scene.settings("b")).unwrap();
        incoming.prepare(&description, &self.plan).await.unwrap();
        let link = Link::new(&self.scene.path("link"), &incoming, moment, then);
        (incoming, link)
    }

    async fn copy(&mut self, link: &Link) -> Result<Copied, HypervisorError> {
        let (progress, _reports) = mpsc::channel(16);
        timeout(LIMIT, self.guest.copy(&self.plan, link, &progress))
            .await
            .expect("the copy ends")
    }

    /// The guest goes on at the source, and nothing is left at the target.
    async fn undo(&mut self, mut incoming: Incoming) {
        let began = Instant::now();
        self.guest.resume().await.unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the guest stood still for {:?}",
            began.elapsed()
        );
        self.scene.writes_again("a").await;
        incoming.discard().await.unwrap();
        assert!(!self.scene.path("b/vm1.qcow2.incoming").exists());
    }

    /// The guest can still be moved, and its disk is whole.
    async fn succeed(mut self) {
        let (mut incoming, link) = self.prepare(Moment::Never, Flow::Open).await;
        self.copy(&link).await.unwrap();
        loaded(&mut incoming).await.unwrap();
        incoming.resume().await.unwrap();
        self.guest.release().await.unwrap();
        self.scene
            .check_disk(&self.scene.overlay("a"), self.scene.synced("a"));
        self.scene.writes_again("b").await;
        drop(incoming);
        kill(&self.scene.settings("b")).await;
        self.scene
            .check_disk(&self.scene.overlay("b"), self.scene.synced("b"));
    }
}

#[tokio::test]
async fn a_guest_goes_on_wherever_the_link_is_cut() {
    let mut relocation = Move::of_a_guest_that("").await;
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
        let (incoming, link) = relocation.prepare(moment.clone(), Flow::Cut).await;
        let error = relocation.copy(&link).await.unwrap_err();
        println!("{moment:?}: {error}");
        assert!(
            matches!(error, HypervisorError::Failed { .. }),
            "{moment:?}: {error}"
        );
        relocation.undo(incoming).await;
    }
    relocation.succeed().await;
}

/// A link that falls silent does not end by itself: the agent gives up at some point.
#[tokio::test]
async fn a_guest_goes_on_wherever_the_link_falls_silent() {
    let mut relocation = Move::of_a_guest_that("").await;
    let disk = Stream::Disk("vd0".into());
    let moments = [
        Moment::After(disk.clone(), 1),
        Moment::After(disk, 100_000),
        Moment::After(Stream::Memory, 20 << 20),
        Moment::Stopped,
    ];
    for moment in moments {
        let (incoming, link) = relocation.prepare(moment.clone(), Flow::Silent).await;
        let given_up = timeout(Duration::from_secs(6), relocation.copy(&link)).await;
        println!("{moment:?}: {given_up:?}");
        assert!(!matches!(given_up, Ok(Ok(_))), "{moment:?}");
        relocation.undo(incoming).await;
    }
    relocation.succeed().await;
}

/// Writes of the guest are on their way to the target whenever the way is cut: QEMU must live.
#[tokio::test]
async fn a_guest_that_never_stops_writing_goes_on_wherever_its_disk_is_cut() {
    let mut relocation = Move::of_a_guest_that("hammer").await;
    for step in 0..12 {
        let octets = 1 << (16 + step % 6);
        let moment = Moment::After(Stream::Disk("vd0".into()), octets);
        let flow = [Flow::Cut, Flow::Silent][step / 6];
        let (incoming, link) = relocation.prepare(moment, flow).await;
        let given_up = timeout(Duration::from_secs(3), relocation.copy(&link)).await;
        println!("{flow:?} after {octets}: {given_up:?}");
        assert!(!matches!(given_up, Ok(Ok(_))), "{octets}: {given_up:?}");
        relocation.undo(incoming).await;
    }
    relocation.succeed().await;
}

#[tokio::test]
async fn a_guest_goes_on_when_the_target_dies_before_or_after_all_was_sent() {
    let mut relocation = Move::of_a_guest_that("").await;
    let target = relocation.scene.settings("b");
    let (mut incoming, link) = relocation.prepare(Moment::Never, Flow::Open).await;
    let (copied, ()) = tokio::join!(relocation.copy(&link), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        kill(&target).await;
    });
    println!("{}", copied.unwrap_err());
    let error = loaded(&mut incoming).await.unwrap_err();
    assert!(matches!(error, HypervisorError::Gone { .. }), "{error}");
    assert!(error.to_string().contains("ended by signal 9"), "{error}");
    relocation.undo(incoming).await;

    let (mut incoming, link) = relocation.prepare(Moment::Never, Flow::Open).await;
    relocation.copy(&link).await.unwrap();
    loaded(&mut incoming).await.unwrap();
    relocation.undo(incoming).await;
    relocation.succeed().await;
}

#[tokio::test]
async fn agents_that_come_back_find_both_halves() {
    let mut relocation = Move::of_a_guest_that("").await;
    let (a, b) = (
        relocation.scene.settings("a"),
        relocation.scene.settings("b"),
    );
    for after in [200, 900] {
        let (incoming, link) = relocation.prepare(Moment::Never, Flow::Open).await;
        let _ = timeout(Duration::from_millis(after), relocation.copy(&link)).await;
        drop((incoming, link));
        let scene = relocation.scene;
        drop(relocation.guest);
        let guest = Qemu::attach(a.clone()).await.unwrap();
        relocation = Move {
            scene,
            guest,
            ..relocation
        };
        relocation
            .undo(Incoming::attach(b.clone()).await.unwrap())
            .await;
    }
    // All is there, but nobody has said yet that the guest may run.
    let (mut incoming, link) = relocation.prepare(Moment::Never, Flow::Open).await;
    relocation.copy(&link).await.unwrap();
    loaded(&mut incoming).await.unwrap();
    drop(incoming);
    let mut incoming = Incoming::attach(b.clone()).await.unwrap();
    loaded(&mut incoming).await.unwrap();
    incoming.resume().await.unwrap();
    let refused = incoming.discard().await.unwrap_err().to_string();
    assert!(
        refused.contains("runs here and cannot be discarded"),
        "{refused}"
    );
    relocation.scene.writes_again("b").await;
    relocation.guest.release().await.unwrap();
}

#[tokio::test]
async fn a_guest_that_crashes_while_it_is_copied_is_told_of() {
    let mut relocation = Move::of_a_guest_that("panic").await;
    relocation.plan.bandwidth = Some(2 << 20);
    let (mut incoming, link) = relocation.prepare(Moment::Never, Flow::Open).await;
    let error = relocation.copy(&link).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error, HypervisorError::Gone { .. }), "{error}");
    assert!(loaded(&mut incoming).await.is_err());
    incoming.discard().await.unwrap();
    relocation.guest.release().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_at_the_target_leaves_the_guest_alone() {
    let scene = Scene::new(64);
    let (a, mut b) = (scene.settings("a"), scene.settings("b"));
    let _ends = [Ends(a.clone()), Ends(b.clone())];
    scene.write_overlay("a", 8);
    let small = scene.small_disk("b", 4);
    b.disks[0].overlay = small.path().join("vm1.qcow2");
    let mut guest = scene.boot(&a).await;
    let plan = plan(Storage::Delta);
    let description = guest.describe().await.unwrap();
    let mut incoming = Incoming::new(b).unwrap();
    incoming.prepare(&description, &plan).await.unwrap();
    let link = Link::new(&scene.path("link"), &incoming, Moment::Never, Flow::Open);
    let (progress, _reports) = mpsc::channel(16);
    let copied = timeout(LIMIT, guest.copy(&plan, &*link, &progress)).await;
    let error = copied.expect("the copy ends").unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("No space left"), "{error}");
    guest.resume().await.unwrap();
    scene.writes_again("a").await;
    incoming.discard().await.unwrap();
    assert!(std::fs::read_dir(small.path()).unwrap().next().is_none());
}

/// The guest is the target's, and its QEMU ends before the disks that have arrived have their names.
#[tokio::test]
async fn a_guest_that_is_started_where_it_has_arrived_has_the_disk_that_arrived() {
    let mut relocation = Move::of_a_guest_that("").await;
    let target = relocation.scene.settings("b");
    // What an earlier stay has left must not be taken for it.
    relocation.scene.write_overlay("b", 1);
    let (mut incoming, link) = relocation.prepare(Moment::Never, Flow::Open).await;
    relocation.copy(&link).await.unwrap();
    loaded(&mut incoming).await.unwrap();
    relocation.guest.release().await.unwrap();
    kill(&target).await;
    drop(incoming);
    let scene = &relocation.scene;
    let synced = scene.synced("a");
    assert!(synced > 0);
    let guest = Qemu::start(target.clone(), true).await.unwrap();
    scene.writes_again("b").await;
    drop(guest);
    kill(&target).await;
    assert!(scene.path("b/vm1.qcow2.left").exists());
    assert!(!scene.path("b/vm1.qcow2.incoming").exists());
    scene.check_disk(&scene.overlay("b"), synced.max(scene.synced("b")));
}
