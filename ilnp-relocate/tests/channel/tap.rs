//! A wire between two agents that can be listened to, cut and frozen at any octet.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Which way octets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From who dialled.
    There,
    /// To who dialled.
    Back,
}

/// A wire for one connection.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    heard: Arc<[Mutex<Vec<u8>>; 2]>,
    frozen: Arc<AtomicBool>,
}

impl Tap {
    /// A wire to `address`, cut when so many octets have gone one way.
    pub(crate) async fn new(to: SocketAddr, cut: Option<(Way, usize)>) -> Self {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let tap = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
            frozen: Arc::default(),
        };
        let (heard, frozen) = (tap.heard.clone(), tap.frozen.clone());
        tokio::spawn(async move {
            let (dialler, _) = listener.accept().await.unwrap();
            let Ok(listener) = TcpStream::connect(to).await else {
                return;
            };
            let (from_dialler, to_dialler) = dialler.into_split();
            let (from_listener, to_listener) = listener.into_split();
            let after = |way| cut.filter(|(cut, _)| *cut == way).map(|(_, after)| after);
            let there = carry(
                from_dialler,
                to_listener,
                &heard[0],
                &frozen,
                after(Way::There),
            );
            let back = carry(
                from_listener,
                to_dialler,
                &heard[1],
                &frozen,
                after(Way::Back),
            );
            // A cut of one way is a cut of both; an end is not.
            tokio::pin!(there, back);
            tokio::select! {
                ended = &mut there => if ended { back.await; },
                ended = &mut back => if ended { there.await; },
            }
        });
        tap
    }

    /// What went one way so far.
    pub(crate) fn heard(&self, way: Way) -> Vec<u8> {
        self.heard[usize::from(way == Way::Back)]
            .lock()
            .unwrap()
            .clone()
    }

    /// From now on nothing arrives, and nobody is told.
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }
}

/// Carries octets one way; says whether they came to an end, and not to a cut.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    heard: &Mutex<Vec<u8>>,
    frozen: &AtomicBool,
    cut: Option<usize>,
) -> bool {
    let mut octets = vec![0; 64 * 1024];
    loop {
        let gone = heard.lock().unwrap().len();
        let room = cut.map_or(octets.len(), |cut| cut - gone).min(octets.len());
        if room == 0 {
            return false;
        }
        let Ok(length @ 1..) = from.read(&mut octets[..room]).await else {
            return to.shutdown().await.is_ok();
        };
        while frozen.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        heard.lock().unwrap().extend_from_slice(&octets[..length]);
        if to.write_all(&octets[..length]).await.is_err() {
            return false;
        }
    }
}
