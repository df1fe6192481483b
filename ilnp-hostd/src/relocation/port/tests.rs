use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use ilnp_core::relocation::{Answer, Empty};

use super::*;

const LONG: Duration = Duration::from_secs(10);

async fn next(port: &mut Port) -> Vec<u8> {
    tokio::time::timeout(LONG, port.next()).await.unwrap()
}

/// Lets the port work for a moment in which no line comes.
async fn idle(port: &mut Port, time: Duration) {
    let line = tokio::time::timeout(time, port.next()).await;
    assert!(line.is_err(), "{line:?}");
}

fn done(id: u64) -> FromGuest {
    let answer = Answer::Done(Empty {});
    FromGuest::Answer { id, answer }
}

/// A line of the port, as its other end reads it.
fn read_line(agent: &mut UnixStream) -> FromGuest {
    agent.set_read_timeout(Some(LONG)).unwrap();
    let mut lines = Lines::default();
    loop {
        let mut octet = [0];
        agent.read_exact(&mut octet).unwrap();
        if let Some(Line::Whole(line)) = lines.push(&octet).pop() {
            return FromGuest::parse(&line).unwrap();
        }
    }
}

#[tokio::test]
async fn opens_a_port_that_appears_later_and_again_after_it_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    let mut port = Port::new(path.clone());
    port.send(&done(1));
    idle(&mut port, Duration::from_millis(50)).await;
    let listener = UnixListener::bind(&path).unwrap();
    idle(&mut port, Duration::from_millis(1500)).await;
    let (mut agent, _) = listener.accept().unwrap();
    assert_eq!(read_line(&mut agent), done(1));
    agent.write_all(b"half a li").unwrap();
    drop(agent);
    idle(&mut port, Duration::from_millis(1500)).await;
    let (mut agent, _) = listener.accept().unwrap();
    agent.write_all(b"\nwhole\n").unwrap();
    assert_eq!(next(&mut port).await, b"whole");
    port.send(&done(2));
    assert_eq!(read_line(&mut agent), done(2));
}

#[tokio::test]
async fn keeps_the_newest_of_what_nobody_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    let mut port = Port::new(path.clone());
    for id in 0..1000 {
        port.send(&done(id));
    }
    let listener = UnixListener::bind(&path).unwrap();
    idle(&mut port, Duration::from_millis(50)).await;
    let (mut agent, _) = listener.accept().unwrap();
    assert_eq!(read_line(&mut agent), done(1000 - 64));
}

#[tokio::test]
async fn says_what_is_wrong_with_a_path_and_does_not_touch_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    std::fs::write(&path, "a file").unwrap();
    let mut port = Port::new(path.clone());
    port.send(&done(1));
    idle(&mut port, Duration::from_millis(50)).await;
    assert!(
        port.complaint
            .as_ref()
            .unwrap()
            .contains("character device")
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
}

/// A pseudo-terminal without a master reads as ended, as a virtio port does without an agent.
#[tokio::test]
async fn a_device_at_whose_other_end_nobody_is_costs_no_time() {
    use std::os::fd::AsRawFd as _;

    use nix::pty::{OpenptyResult, openpty};
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let mut settings = tcgetattr(&slave).unwrap();
    cfmakeraw(&mut settings);
    tcsetattr(&slave, SetArg::TCSANOW, &settings).unwrap();
    let path = std::fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd())).unwrap();
    let mut port = Port::new(path);
    let mut agent = File::from(master);
    agent.write_all(b"\nwhole\n").unwrap();
    assert_eq!(next(&mut port).await, b"whole");
    drop(agent);
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        Duration::from_micros(u64::try_from(usage.user_time().tv_usec()).unwrap())
            + Duration::from_micros(u64::try_from(usage.system_time().tv_usec()).unwrap())
    };
    let before = spent();
    idle(&mut port, Duration::from_millis(500)).await;
    assert!(spent() - before < Duration::from_millis(100));
}
