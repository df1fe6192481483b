//! Guests that cannot go on at the other site: refused before anything is copied or changed.

use ilnp_relocate::hypervisor::{Description, HypervisorError, Source as _, Storage, Target as _};
use ilnp_relocate::qemu::{Incoming, Qemu, Settings};

use crate::scene::{Ends, Scene, plan};

/// What the target says to a guest, and whether it left everything as it was.
async fn refusal(
    scene: &Scene,
    guest: &Description,
    storage: Storage,
    change: impl FnOnce(&mut Settings),
) -> String {
    let mut settings = scene.settings("b");
    change(&mut settings);
    let before = scene.files("b");
    let mut incoming = Incoming::new(settings).unwrap();
    let error = incoming.check(guest, &plan(storage)).await.unwrap_err();
    let after = scene.files("b");
    assert_eq!(after, before, "{error}");
    assert!(
        matches!(
            error,
            HypervisorError::Refused(_) | HypervisorError::Failed { .. }
        ),
        "{error}"
    );
    error.to_string()
}

#[tokio::test]
async fn another_machine_is_refused_and_named() {
    let scene = Scene::new(64);
    let a = scene.settings("a");
    let _ends = Ends(a.clone());
    let guest = scene.boot(&a).await.describe().await.unwrap();
    let delta = Storage::Delta;
    Incoming::new(scene.settings("b"))
        .unwrap()
        .check(&guest, &plan(delta))
        .await
        .unwrap();

    let machine = refusal(&scene, &guest, delta, |settings| {
        settings.machine = "pc-q35-7.1".into()
    })
    .await;
    assert!(
        machine.contains("machine type: the guest has pc-q35-7.2, here it would have pc-q35-7.1"),
        "{machine}"
    );
    let cpu = refusal(&scene, &guest, delta, |settings| {
        settings.cpu = "max,-cx16".into()
    })
    .await;
    assert!(cpu.contains("processor: the guest has qemu64 "), "{cpu}");
    let flags = refusal(&scene, &guest, delta, |settings| {
        settings.cpu = "qemu64,-cx16,-pni".into()
    })
    .await;
    assert!(flags.contains("processor: "), "{flags}");
    let processors = refusal(&scene, &guest, delta, |settings| settings.processors = 2).await;
    assert!(
        processors.contains("processors: the guest has 1, here it would have 2"),
        "{processors}"
    );
    let memory = refusal(&scene, &guest, delta, |settings| {
        settings.memory += 32 << 20
    })
    .await;
    assert!(memory.contains("memory: "), "{memory}");
    let device = ["-device", "virtio-rng-pci,id=rng"].map(str::to_owned);
    let device = refusal(&scene, &guest, delta, |settings| {
        settings.arguments.extend(device)
    })
    .await;
    assert!(
        device.contains("does not have: virtio-rng-pci rng"),
        "{device}"
    );
    let port = refusal(&scene, &guest, delta, |settings| settings.port = false).await;
    assert!(
        port.contains("missing here: ") && port.contains("virtserialport relocate-port"),
        "{port}"
    );
    let broken = refusal(&scene, &guest, delta, |settings| {
        settings.arguments.push("-nonsense".into())
    })
    .await;
    assert!(broken.contains("-nonsense: invalid option"), "{broken}");
    let program = refusal(&scene, &guest, delta, |settings| {
        settings.program = "/nonexistent/qemu".into()
    })
    .await;
    assert!(program.contains("/nonexistent/qemu"), "{program}");
}

#[tokio::test]
async fn other_disks_are_refused_and_named() {
    let scene = Scene::new(64);
    let a = scene.settings("a");
    let _ends = Ends(a.clone());
    let guest = scene.boot(&a).await.describe().await.unwrap();
    let delta = Storage::Delta;

    let id = refusal(&scene, &guest, delta, |settings| {
        settings.disks[0].id = "vd1".into()
    })
    .await;
    assert!(
        id.contains("its disks are [vd0], here they would be [vd1]"),
        "{id}"
    );
    let none = refusal(&scene, &guest, delta, |settings| {
        settings.disks[0].base = None
    })
    .await;
    assert!(
        none.contains("no") && none.contains("--storage full"),
        "{none}"
    );
    let missing = scene.path("b/none.raw");
    let missing = refusal(&scene, &guest, delta, |settings| {
        settings.disks[0].base = Some(missing)
    })
    .await;
    assert!(missing.contains("none.raw"), "{missing}");
    let shared = refusal(&scene, &guest, Storage::None, |_| {}).await;
    assert!(shared.contains("vm1.qcow2"), "{shared}");
    std::fs::copy(scene.overlay("a"), scene.overlay("b")).unwrap();
    let stale = refusal(&scene, &guest, Storage::None, |_| {}).await;
    assert!(stale.contains("not shared with the source"), "{stale}");

    let mut liar = guest.clone();
    liar.disks[0].base.as_mut().unwrap().sha256 = "0".repeat(64);
    let lie = refusal(&scene, &liar, delta, |_| {}).await;
    assert!(lie.contains("another base image"), "{lie}");
    // One octet, and the times set back.
    scene.change_base("b");
    let changed = refusal(&scene, &guest, delta, |_| {}).await;
    assert!(
        changed.contains("another base image") && changed.contains("--storage full"),
        "{changed}"
    );
    Incoming::new(scene.settings("b"))
        .unwrap()
        .check(&guest, &plan(Storage::Full))
        .await
        .unwrap();
}

#[tokio::test]
async fn too_little_room_is_refused() {
    let scene = Scene::new(64);
    let a = scene.settings("a");
    let _ends = Ends(a.clone());
    let guest = scene.boot(&a).await.describe().await.unwrap();
    let small = scene.small_disk("b", 4);
    let disk = refusal(&scene, &guest, Storage::Delta, |settings| {
        settings.disks[0].overlay = small.path().join("vm1.qcow2")
    })
    .await;
    assert!(
        disk.contains("too little room for ") && disk.contains("MiB are free"),
        "{disk}"
    );
    let mut large = guest.clone();
    large.memory = 1 << 50;
    let memory = refusal(&scene, &large, Storage::Delta, |_| {}).await;
    assert!(memory.contains("too little memory for vm1"), "{memory}");
    // Memory that is there, but that QEMU does not get.
    let poor = scene.program("b", "ulimit -v 300000; exec qemu-system-x86_64 \"$@\"");
    let poor = refusal(&scene, &guest, Storage::Delta, |settings| {
        settings.program = poor
    })
    .await;
    assert!(
        poor.contains("annot allocate memory") || poor.contains("failed to allocate"),
        "{poor}"
    );
}

/// The sockets and files that the arguments name may be another guest's.
#[tokio::test]
async fn looking_at_a_machine_touches_nothing_outside_of_it() {
    let scene = Scene::new(64);
    let a = scene.settings("a");
    let _ends = Ends(a.clone());
    let guest = scene.boot(&a).await.describe().await.unwrap();
    let mut b = scene.settings("b");
    let (socket, log) = (scene.path("b/other.sock"), scene.path("b/other.log"));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::fs::write(&log, "said before").unwrap();
    for (id, kind, path) in [("s", "socket", &socket), ("l", "file", &log)] {
        let on = if id == "s" { ",server=on,wait=off" } else { "" };
        let value = format!("{kind},id={id},path={}{on}", path.display());
        b.arguments.extend(["-chardev".to_owned(), value]);
    }
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    b.arguments.extend(["-monitor".to_owned(), monitor]);
    let tap = "tap,id=net0,ifname=nobody0,script=/nonexistent/script";
    b.arguments.extend(["-netdev".to_owned(), tap.to_owned()]);
    let mut incoming = Incoming::new(b).unwrap();
    incoming.check(&guest, &plan(Storage::Delta)).await.unwrap();
    std::os::unix::net::UnixStream::connect(&socket).unwrap();
    assert!(listener.accept().is_ok());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "said before");
}

#[tokio::test]
async fn a_guest_is_started_once() {
    let scene = Scene::new(64);
    let a = scene.settings("a");
    let _ends = Ends(a.clone());
    let mut guest = scene.boot(&a).await;
    let twice = Qemu::start(a.clone(), false)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(twice.contains("is here already: process "), "{twice}");
    let description = guest.describe().await.unwrap();
    let here = Incoming::new(a.clone())
        .unwrap()
        .check(&description, &plan(Storage::Delta))
        .await
        .unwrap_err();
    assert!(here.to_string().contains("is here already"), "{here}");
    let released = guest.release().await.unwrap_err();
    assert!(
        released
            .to_string()
            .contains("runs here and cannot be released"),
        "{released}"
    );
    let nowhere = Qemu::attach(scene.settings("b")).await.err().unwrap();
    assert!(matches!(nowhere, HypervisorError::Gone { .. }), "{nowhere}");
    let busy = Qemu::attach(a).await.err().unwrap();
    assert!(
        busy.to_string().contains("another program is connected"),
        "{busy}"
    );
    scene.writes_again("a").await;
}
