//! The socket that changes are made over.

use std::io;

use futures_util::TryStreamExt as _;
use tokio::task::JoinHandle;

use super::KernelError;
use super::event::{Address, Link, Snapshot, default_route};

/// Makes changes in the network namespace that it was opened in.
#[derive(Debug)]
pub struct Netlink {
    pub(super) handle: rtnetlink::Handle,
    connection: JoinHandle<()>,
}

impl Netlink {
    /// Opens the socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`KernelError::Socket`].
    pub fn open() -> Result<Self, KernelError> {
        let (connection, handle, mut unasked) =
            rtnetlink::new_connection().map_err(|source| KernelError::Socket {
                what: "a netlink socket",
                source,
            })?;
        let connection = tokio::spawn(async move {
            // No group is joined, so nothing comes unasked; the channel must only stay open.
            unasked.close();
            connection.await;
        });
        Ok(Self { handle, connection })
    }

    /// The index of the interface with this name.
    ///
    /// # Errors
    /// [`KernelError::NoInterface`] and [`KernelError::Request`].
    pub async fn interface(&self, name: &str) -> Result<u32, KernelError> {
        let mut found = self
            .handle
            .link()
            .get()
            .match_name(name.to_owned())
            .execute();
        match found.try_next().await {
            Ok(Some(message)) => Ok(message.header.index),
            Ok(None) => Err(KernelError::NoInterface { name: name.into() }),
            Err(error) => match io_error(error) {
                error if error.raw_os_error() == Some(libc::ENODEV) => {
                    Err(KernelError::NoInterface { name: name.into() })
                }
                source => Err(KernelError::Request {
                    what: format!("look up interface {name}"),
                    source,
                }),
            },
        }
    }

    /// Reads the state that a [`Monitor`](super::Monitor) tells the changes of.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub async fn snapshot(&self) -> Result<Snapshot, KernelError> {
        let refused = |what: &str, error| KernelError::Request {
            what: what.into(),
            source: io_error(error),
        };
        let links: Vec<_> = self
            .handle
            .link()
            .get()
            .execute()
            .map_ok(|message| Link::from_message(&message))
            .try_collect()
            .await
            .map_err(|error| refused("list the interfaces", error))?;
        let addresses: Vec<_> = self
            .handle
            .address()
            .get()
            .execute()
            .map_ok(|message| Address::from_message(&message))
            .try_collect()
            .await
            .map_err(|error| refused("list the addresses", error))?;
        let routes = rtnetlink::RouteMessageBuilder::<std::net::Ipv6Addr>::new().build();
        let routes: Vec<_> = self
            .handle
            .route()
            .get(routes)
            .execute()
            .try_filter_map(async |message| Ok(default_route(&message)))
            .try_collect()
            .await
            .map_err(|error| refused("list the routes", error))?;
        Ok(Snapshot {
            links: links.into_iter().flatten().collect(),
            addresses: addresses.into_iter().flatten().collect(),
            default_routes: routes,
        })
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The errno of a refused request.
pub(super) fn io_error(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}

/// Names a refused request.
pub(super) fn asked(
    result: Result<(), rtnetlink::Error>,
    what: impl FnOnce() -> String,
) -> Result<(), KernelError> {
    result.map_err(|error| KernelError::Request {
        what: what(),
        source: io_error(error),
    })
}

/// Like [`asked`], for the removal of something that may be gone already.
pub(super) fn asked_to_remove(
    result: Result<(), rtnetlink::Error>,
    what: impl FnOnce() -> String,
) -> Result<(), KernelError> {
    const GONE: [i32; 4] = [libc::ESRCH, libc::ENOENT, libc::EADDRNOTAVAIL, libc::ENODEV];
    match result.map_err(io_error) {
        Ok(()) => Ok(()),
        Err(error)
            if error
                .raw_os_error()
                .is_some_and(|code| GONE.contains(&code)) =>
        {
            Ok(())
        }
        Err(source) => Err(KernelError::Request {
            what: what(),
            source,
        }),
    }
}
