//! A TUN device for a process that speaks IPv6 by itself.
#![expect(unsafe_code, reason = "a TUN device is made by an ioctl")]

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

nix::ioctl_write_ptr_bad!(
    /// Names the device that an open `/dev/net/tun` is.
    tun_set_interface,
    libc::TUNSETIFF,
    libc::ifreq
);

/// An open TUN device; it goes when this is dropped.
pub struct Tun {
    file: File,
}

impl Tun {
    /// Makes the device in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the name is longer than 15 octets, or the kernel refuses.
    pub fn open(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        // SAFETY: all-zero octets are a valid `ifreq`.
        let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return Err(ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        let flags = libc::IFF_TUN | libc::IFF_NO_PI;
        request.ifr_ifru.ifru_flags = i16::try_from(flags).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open, and `request` is an initialised `ifreq` that outlives the call.
        unsafe { tun_set_interface(file.as_raw_fd(), &raw const request) }?;
        Ok(Self { file })
    }

    /// Waits until a packet is there, or the time is over.
    ///
    /// # Errors
    /// As the kernel does.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The next packet, if one is there.
    ///
    /// # Errors
    /// As the kernel does.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match (&self.file).read(buffer) {
            Ok(length) => Ok(buffer.get(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// As the kernel does.
    pub fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(drop)
    }
}
