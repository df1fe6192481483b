//! The TUN device: the daemon's way in and out of the kernel, with segmentation and checksum
//! offload, so that a packet may be far larger than the link's MTU.
#![expect(unsafe_code, reason = "device ioctls have no safe interface")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ilnp_core::wire::{Offload, Packet};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::DataPathError;
use super::queue::Queue;

const DEVICE: &str = "/dev/net/tun";

/// `struct virtio_net_hdr`, in the host's byte order.
const VNET_HEADER: usize = 10;
/// A 64 KiB packet behind its headers.
const LARGEST_READ: usize = VNET_HEADER + 65_535 + 40;

const NEEDS_CHECKSUM: u8 = 1;

const TUN_F_CSUM: u64 = 0x01;
const TUN_F_TSO6: u64 = 0x04;
/// The kernel wants both UDP flags or neither (Linux 6.2).
const TUN_F_USO: u64 = 0x20 | 0x40;

mod ioctl {
    nix::ioctl_write_ptr_bad!(
        set_interface,
        nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
        libc::ifreq
    );
    nix::ioctl_write_int_bad!(
        set_persist,
        nix::request_code_write!(b'T', 203, size_of::<libc::c_int>())
    );
    nix::ioctl_write_int_bad!(
        set_offload,
        nix::request_code_write!(b'T', 208, size_of::<libc::c_uint>())
    );
}

/// An open TUN device. Its interface goes away with it unless it is to [`persist`](Self::persist).
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    index: u32,
}

impl Device {
    /// Opens the interface `name`, making it when it is not there.
    ///
    /// # Errors
    /// When the name is taken or in use, or a capability or the TUN driver is missing.
    pub(super) fn open(name: &str) -> Result<Self, DataPathError> {
        let request = request(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(DEVICE)
            .map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => DataPathError::NoTun,
                _ => DataPathError::failed_to("open /dev/net/tun")(error),
            })?;
        // SAFETY: the descriptor is open, and `request` is an initialised `ifreq` that outlives
        // the call.
        unsafe { ioctl::set_interface(file.as_raw_fd(), &raw const request) }.map_err(|errno| {
            match errno {
                Errno::EBUSY => DataPathError::InterfaceBusy(name.to_owned()),
                Errno::EINVAL => DataPathError::InterfaceTaken(name.to_owned()),
                _ => DataPathError::failed_to("make a TUN interface")(errno),
            }
        })?;
        accept_offload(&file).map_err(DataPathError::failed_to("switch on TUN offload"))?;
        let index = if_nametoindex(name).map_err(DataPathError::failed_to(
            "find the index of the TUN interface",
        ))?;
        Ok(Self { file, index })
    }

    /// Keeps the interface, or lets it go, when this process ends.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn persist(&self, keep: bool) -> Result<(), DataPathError> {
        // SAFETY: the descriptor is open; the argument is a number.
        unsafe { ioctl::set_persist(self.file.as_raw_fd(), keep.into()) }
            .map_err(DataPathError::failed_to("keep the TUN interface"))?;
        Ok(())
    }

    /// The interface's index.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// A packet, or the removal of the interface, which the kernel tells as an error and nothing else.
const WAITED_FOR: Interest = Interest::READABLE.add(Interest::ERROR);

/// The ILNP interface as its reader and writer sees it.
#[derive(Debug)]
pub struct Tun {
    device: AsyncFd<Device>,
    buffer: Mutex<Box<[u8]>>,
    queue: Arc<Queue>,
}

impl Tun {
    /// Makes the device part of the runtime that this is called in.
    pub(super) fn new(device: Device, queue: Arc<Queue>) -> Result<Self, DataPathError> {
        // SAFETY: the device owns its descriptor, always names the same one, and is moved into the
        // `AsyncFd`, so that it stays open for as long as it is registered.
        let device = unsafe { AsyncFd::register_with_interest(device, WAITED_FOR) }
            .map_err(DataPathError::failed_to("wait for the TUN interface"))?;
        Ok(Self {
            device,
            buffer: Mutex::new(vec![0; LARGEST_READ].into_boxed_slice()),
            queue,
        })
    }

    /// The interface's index.
    pub fn index(&self) -> u32 {
        self.device.get_ref().index()
    }

    /// Waits for a packet that the kernel sent into the interface: one to a handle, or one from
    /// the wire that the data path diverted.
    ///
    /// # Errors
    /// When the interface was removed, or a packet could not be read.
    pub async fn recv(&self) -> io::Result<Packet> {
        self.device
            .async_io(WAITED_FOR, |device| self.read(device))
            .await
    }

    /// The next packet if one waits, otherwise an error of kind `WouldBlock`: empties the queue
    /// after [`recv`](Self::recv) without a trip through the scheduler.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn try_recv(&self) -> io::Result<Packet> {
        self.device.try_io(WAITED_FOR, |device| self.read(device))
    }

    /// Gives the kernel a packet as if it had come in on the interface. Its source decides: one of
    /// our own I-LVs goes to the wire, anything else up the stack.
    ///
    /// # Errors
    /// When the interface is down or was removed, or the packet's offload makes no sense.
    pub fn send(&self, packet: &Packet) -> io::Result<()> {
        let header = packet.offload.map_or([0; VNET_HEADER], encode);
        let mut file = &self.device.get_ref().file;
        file.write_vectored(&[IoSlice::new(&header), IoSlice::new(&packet.octets)])
            .map(drop)
    }

    fn read(&self, device: &Device) -> io::Result<Packet> {
        let mut file = &device.file;
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let length = match file.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.queue.emptied()?;
                return Err(error);
            }
            length => length?,
        };
        self.queue.read_one()?;
        buffer
            .get(..length)
            .and_then(<[u8]>::split_first_chunk)
            .map(|(header, octets)| Packet {
                octets: Bytes::copy_from_slice(octets),
                offload: decode(header),
            })
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

fn request(name: &str) -> Result<libc::ifreq, DataPathError> {
    let allowed = |octet: u8| octet.is_ascii_graphic() && octet != b'/' && octet != b':';
    // `%d` would let the kernel choose a number.
    if name.is_empty()
        || name.len() >= libc::IFNAMSIZ
        || name.contains('%')
        || name.starts_with('.')
        || !name.bytes().all(allowed)
    {
        return Err(DataPathError::InterfaceName(name.to_owned()));
    }
    // SAFETY: `ifreq` is plain old data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags =
        i16::from_ne_bytes(u16::try_from(flags).unwrap_or_default().to_ne_bytes());
    Ok(request)
}

/// Lets the kernel hand over unfinished checksums and unsegmented packets, UDP where it can.
fn accept_offload(device: &File) -> nix::Result<()> {
    let set = |flags: u64| {
        let flags = libc::c_int::try_from(flags).unwrap_or_default();
        // SAFETY: the descriptor is open; the argument is a number.
        unsafe { ioctl::set_offload(device.as_raw_fd(), flags) }
    };
    set(TUN_F_CSUM | TUN_F_TSO6 | TUN_F_USO)
        .or_else(|_| set(TUN_F_CSUM | TUN_F_TSO6))
        .map(drop)
}

fn decode(header: &[u8; VNET_HEADER]) -> Option<Offload> {
    let [flags, gso_type, rest @ ..] = *header;
    let word = |at: usize| u16::from_ne_bytes([rest[at], rest[at + 1]]);
    if flags & NEEDS_CHECKSUM == 0 && gso_type == 0 {
        return None;
    }
    Some(Offload {
        flags,
        gso_type,
        header_len: word(0),
        segment_len: word(2),
        checksum_start: word(4),
        checksum_offset: word(6),
    })
}

fn encode(offload: Offload) -> [u8; VNET_HEADER] {
    let mut header = [0; VNET_HEADER];
    let words = [
        offload.header_len,
        offload.segment_len,
        offload.checksum_start,
        offload.checksum_offset,
    ];
    header[0] = offload.flags;
    header[1] = offload.gso_type;
    for (to, word) in header[2..].chunks_exact_mut(2).zip(words) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offload_survives_the_header() {
        let offload = Offload {
            flags: NEEDS_CHECKSUM,
            gso_type: 4,
            header_len: 60,
            segment_len: 1408,
            checksum_start: 40,
            checksum_offset: 16,
        };
        assert_eq!(decode(&encode(offload)), Some(offload));
        assert_eq!(decode(&[0; VNET_HEADER]), None);
    }

    #[test]
    fn refuses_names_that_linux_refuses() {
        for name in ["", "sixteen-octets-x", "a b", "a/b", "a:b", "tun%d", ".."] {
            assert!(
                matches!(request(name), Err(DataPathError::InterfaceName(_))),
                "{name:?}"
            );
        }
        assert!(request("ilnp0").is_ok());
    }
}
