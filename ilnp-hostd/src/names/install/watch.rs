//! Notices at once when somebody writes what this host's resolver reads: until the stub resolver is
//! back in front of them, programs look names up past it.
#![expect(
    unsafe_code,
    reason = "the runtime cannot know that a file descriptor stays open"
)]

use std::future::pending;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

/// Where other programs write, and the one file there that matters; `None` for all of them.
const PLACES: [(&str, Option<&str>); 5] = [
    ("/etc", Some("resolv.conf")),
    ("/run/systemd/resolve", Some("resolv.conf")),
    ("/run/NetworkManager", Some("resolv.conf")),
    ("/run/resolvconf/interface", None),
    ("/run/resolvconf/interfaces", None),
];

/// Lets what belongs together be written in full.
const SETTLED: Duration = Duration::from_millis(50);

/// Looks at the places that there are.
#[derive(Debug)]
pub struct Watch(Option<Watched>);

#[derive(Debug)]
struct Watched {
    inotify: Inotify,
    /// The same again, to wait for.
    ready: AsyncFd<OwnedFd>,
    files: Vec<(WatchDescriptor, Option<&'static str>)>,
}

impl Watch {
    /// Begins to look. Places that are made later are not seen; nor is any where the kernel has no
    /// watches left (`fs.inotify.max_user_instances`).
    pub fn new() -> Self {
        let watched = Watched::new();
        if let Err(error) = &watched {
            tracing::warn!(%error, "changes of /etc/resolv.conf are noticed seconds later only");
        }
        Self(watched.ok())
    }

    /// Returns when something was written, by this program too.
    pub async fn changed(&self) {
        let seen = match &self.0 {
            Some(watched) => watched.changed().await,
            None => pending().await,
        };
        if seen.is_err() {
            pending::<()>().await;
        }
        tokio::time::sleep(SETTLED).await;
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watched {
    fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let changes = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_CREATE;
        // Most hosts do not have all of the places.
        let watch = |&(place, file)| Some((inotify.add_watch(place, changes).ok()?, file));
        let files = PLACES.iter().filter_map(watch).collect();
        Self::of(inotify, files)
    }

    fn of(
        inotify: Inotify,
        files: Vec<(WatchDescriptor, Option<&'static str>)>,
    ) -> io::Result<Self> {
        let again = inotify.as_fd().try_clone_to_owned()?;
        Ok(Self {
            // SAFETY: the descriptor is owned by the `AsyncFd` from here on, and stays open for as
            // long as it is registered.
            ready: unsafe { AsyncFd::register(again) }?,
            inotify,
            files,
        })
    }

    async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            let read = ready.try_io(|_| Ok(self.inotify.read_events()?));
            // Otherwise nothing was there yet.
            if let Ok(events) = read
                && events?.iter().any(|event| self.matters(event))
            {
                return Ok(());
            }
        }
    }

    fn matters(&self, event: &InotifyEvent) -> bool {
        match self.files.iter().find(|(watch, _)| *watch == event.wd) {
            Some((_, Some(file))) => event.name.as_ref().is_some_and(|name| name == file),
            // The second: the kernel says that it dropped some.
            Some((_, None)) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn sees_what_matters_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        let changes = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO;
        let number = inotify.add_watch(directory.path(), changes).unwrap();
        let files = vec![(number, Some("resolv.conf"))];
        let watch = Watch(Some(Watched::of(inotify, files).unwrap()));
        let path = |name| directory.path().join(name);
        std::fs::write(path("resolv.conf.new"), "").unwrap();
        let nothing = timeout(Duration::from_millis(200), watch.changed()).await;
        assert!(nothing.is_err(), "another file");
        std::fs::rename(path("resolv.conf.new"), path("resolv.conf")).unwrap();
        timeout(LONG, watch.changed()).await.unwrap();
        std::fs::write(path("resolv.conf"), "nameserver ::2\n").unwrap();
        timeout(LONG, watch.changed()).await.unwrap();
    }
}
