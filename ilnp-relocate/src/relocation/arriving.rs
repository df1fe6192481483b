//! The work at the target: preparing and loading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::job::{Ended, Relays};
use super::leaving::ABORTED;
use super::orders::Offered;
use crate::channel::{Connection, CopyStream, Relay, RelocationId};
use crate::hypervisor::{Description, HypervisorError, Stream, Target};
use crate::qemu::possession::{self, Proof};

/// How long a hypervisor may take to load what has arrived after a stream, or all of them, broke.
const LAST_OCTETS: Duration = Duration::from_secs(5);

/// Refuses a guest that cannot go on here, and reads what the source wants to be read from the base
/// images that it will lie on.
pub(super) async fn check(
    target: &mut dyn Target,
    offered: &Offered,
    run_dir: &Path,
) -> Result<Vec<Proof>, HypervisorError> {
    target.check(&offered.description, &offered.plan).await?;
    if offered.challenges.is_empty() {
        return Ok(Vec::new());
    }
    let bases = target.bases().await?;
    possession::prove(&offered.challenges, &bases, run_dir).await
}

/// Checks the guest and makes everything ready.
pub(super) async fn prepare(
    mut target: Box<dyn Target>,
    offered: Box<Offered>,
    run_dir: PathBuf,
    cancel: CancellationToken,
) -> Ended {
    let work = async {
        let proofs = check(target.as_mut(), &offered, &run_dir).await?;
        target.prepare(&offered.description, &offered.plan).await?;
        Ok::<_, HypervisorError>(proofs)
    };
    let result = tokio::select! {
        result = work => result.map_err(|error| error.to_string()),
        () = cancel.cancelled() => Err(ABORTED.to_owned()),
    };
    Ended::Prepared(target, result)
}

/// A guest that is to be loaded.
pub(super) struct Load {
    pub(super) relocation: RelocationId,
    pub(super) target: Box<dyn Target>,
    pub(super) description: Description,
    pub(super) connection: Connection,
}

/// Takes the streams of the source until the whole state is there.
pub(super) async fn load(mut load: Load, cancel: CancellationToken) -> Ended {
    let result = tokio::select! {
        result = run(&mut load) => result,
        () = cancel.cancelled() => Err(ABORTED.to_owned()),
    };
    Ended::Loaded(load.target, result)
}

async fn run(load: &mut Load) -> Result<Relays, String> {
    let sockets = sockets(load.target.as_ref(), &load.description);
    let mut relays = JoinSet::new();
    let relay = Relay::default();
    let loaded = load.target.loaded();
    tokio::pin!(loaded);
    let mut broken: Option<(Instant, String)> = None;
    loop {
        let given_up = broken.as_ref().map(|(until, _)| *until);
        tokio::select! {
            result = &mut loaded => return match (result, broken) {
                (Ok(()), _) => Ok(relays),
                (Err(error), Some((_, why))) => Err(format!("{error} ({why})")),
                (Err(error), None) => Err(error.to_string()),
            },
            copy = load.connection.accept(), if given_up.is_none() => match copy {
                Ok(copy) => take(copy, load.relocation, &sockets, &relay, &mut relays).await,
                Err(error) => broken = Some((Instant::now() + LAST_OCTETS, error.to_string())),
            },
            Some(ended) = relays.join_next(), if given_up.is_none() => {
                let why = match ended {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                broken = Some((Instant::now() + LAST_OCTETS, why));
            }
            () = sleep_until(given_up.unwrap_or_else(Instant::now)), if given_up.is_some() => {
                return Err(broken.map_or_else(String::new, |(_, why)| why));
            }
        }
    }
}

fn sockets(target: &dyn Target, description: &Description) -> BTreeMap<Stream, PathBuf> {
    let disks = description.disks.iter();
    let disks = disks.map(|disk| Stream::Disk(disk.id.clone()));
    [Stream::Memory, Stream::Control]
        .into_iter()
        .chain(disks)
        .filter_map(|stream| Some((stream.clone(), target.socket(&stream)?.to_owned())))
        .collect()
}

/// Ties a stream of the source to the hypervisor, if it belongs to this relocation.
async fn take(
    copy: CopyStream,
    relocation: RelocationId,
    sockets: &BTreeMap<Stream, PathBuf>,
    relay: &Relay,
    relays: &mut Relays,
) {
    let opening = copy.opening().clone();
    let path = sockets.get(&opening.stream).cloned();
    match path.filter(|_| opening.relocation == relocation) {
        Some(path) => {
            let relay = relay.clone();
            relays.spawn(async move { relay.connect(&path, copy).await });
        }
        None => {
            copy.refuse("no such stream is waited for here").await;
        }
    }
}
