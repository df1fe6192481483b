//! A guest that is a program of one sector. It fills 14 MiB of its memory, and then numbers what it
//! writes: up to 1000 times a second it writes the next number to the sector of its disk that is this number's, and into 128 pages of memory,
//! and a full stop to its serial line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::site::{DOMAIN, EMULATOR, Site};

/// What the disk holds: 64 MiB, the program in the base, and 8 MiB in the overlay that the guest
/// does not change.
const SIZE: u64 = 64 << 20;
const DELTA_AT: usize = 32 << 20;
const DELTA: usize = 8 << 20;
const SECTOR: usize = 512;
const RING_AT: usize = 2048;
const RING: u32 = 1024;

#[rustfmt::skip]
const PROGRAM: [u8; 132] = [
    0xfa,                                     // cli
    0x31, 0xc0,                               // xor ax, ax
    0x8e, 0xd8,                               // mov ds, ax
    0x8e, 0xd0,                               // mov ss, ax
    0x8e, 0xc0,                               // mov es, ax
    0xbc, 0x00, 0x7c,                         // mov sp, 0x7c00
    0xfb,                                     // sti
    0x88, 0x16, 0xf0, 0x7d,                   // mov [0x7df0], dl          the disk
    0xb0, 0x34, 0xe6, 0x43,                   // out 0x43, 0x34            the timer:
    0xb0, 0xa9, 0xe6, 0x40,                   // out 0x40, 0xa9
    0xb0, 0x04, 0xe6, 0x40,                   // out 0x40, 0x04            1000 times a second
    // fill:
    0xb4, 0x87,                               // mov ah, 0x87              copy
    0xb9, 0x00, 0x80,                         // mov cx, 0x8000            64 KiB
    0xbe, 0x10, 0x7d,                         // mov si, 0x7d10            SEGMENTS
    0xcd, 0x15,                               // int 0x15
    0xfe, 0x06, 0x2c, 0x7d,                   // inc byte [0x7d2c]         the next 64 KiB
    0x80, 0x3e, 0x2c, 0x7d, 0xf0,             // cmp byte [0x7d2c], 0xf0   the BIOS is at the end
    0x75, 0xeb,                               // jne fill
    // again:
    0x66, 0xff, 0x06, 0x00, 0x80,             // inc dword [0x8000]        the number
    0x66, 0xa1, 0x00, 0x80,                   // mov eax, [0x8000]
    0x66, 0x25, 0xff, 0x03, 0x00, 0x00,       // and eax, 1023
    0x66, 0x05, 0x00, 0x08, 0x00, 0x00,       // add eax, 2048
    0x66, 0xa3, 0x08, 0x7d,                   // mov [0x7d08], eax         its sector
    0xb4, 0x43,                               // mov ah, 0x43              extended write
    0xb0, 0x00,                               // mov al, 0
    0x8a, 0x16, 0xf0, 0x7d,                   // mov dl, [0x7df0]
    0xbe, 0x00, 0x7d,                         // mov si, 0x7d00            ADDRESS
    0xcd, 0x13,                               // int 0x13
    0x72, 0x21,                               // jc failed
    0xb8, 0x00, 0x10,                         // mov ax, 0x1000
    // page:
    0x8e, 0xc0,                               // mov es, ax
    0x66, 0x8b, 0x0e, 0x00, 0x80,             // mov ecx, [0x8000]
    0x26, 0x66, 0x89, 0x0e, 0x00, 0x00,       // mov es:[0], ecx
    0x05, 0x00, 0x01,                         // add ax, 0x100             4 KiB
    0x3d, 0x00, 0x90,                         // cmp ax, 0x9000
    0x72, 0xeb,                               // jb page
    0xba, 0xf8, 0x03,                         // mov dx, 0x3f8
    0xb0, b'.',                               // mov al, '.'
    0xee,                                     // out dx, al
    0xf4,                                     // hlt                       until the timer ticks
    0xeb, 0xb7,                               // jmp again
    // failed:
    0xba, 0xf8, 0x03,                         // mov dx, 0x3f8
    0xb0, b'!',                               // mov al, '!'
    0xee,                                     // out dx, al
    0xf4,                                     // hlt
    0xeb, 0xfd,                               // jmp to the hlt
];
/// One sector from 0:0x8000; its place on the disk is at 0x7d08.
const ADDRESS: [u8; 8] = [16, 0, 1, 0, 0x00, 0x80, 0, 0];
/// What fills memory from 1 MiB to 15 MiB: the BIOS, from 0xf0000, to 0x100000 at first.
const SEGMENTS: [u8; 16] = [
    0xff, 0xff, 0x00, 0x00, 0x0f, 0x93, 0, 0, //
    0xff, 0xff, 0x00, 0x00, 0x10, 0x93, 0, 0,
];

fn boot_sector() -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    sector[..PROGRAM.len()].copy_from_slice(&PROGRAM);
    sector[0x100..0x108].copy_from_slice(&ADDRESS);
    sector[0x120..0x130].copy_from_slice(&SEGMENTS);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

impl Site {
    pub(crate) fn base(&self) -> PathBuf {
        self.directory.join("images/base.raw")
    }

    pub(crate) fn overlay(&self) -> PathBuf {
        self.directory.join("images/vm1.qcow2")
    }

    /// Where the overlay is while another guest arrives.
    pub(crate) fn aside(&self) -> PathBuf {
        self.overlay().with_extension("qcow2.aside")
    }

    /// Where the overlay of an earlier stay is kept.
    pub(crate) fn kept(&self) -> PathBuf {
        self.overlay().with_extension("qcow2.left")
    }

    /// The base image, and an empty overlay.
    pub(crate) fn make_disk(&self) {
        let mut base = vec![0; SECTOR * 64];
        base[..SECTOR].copy_from_slice(&boot_sector());
        fs::write(self.base(), base).unwrap();
        let file = fs::File::options().write(true).open(self.base()).unwrap();
        file.set_len(SIZE).unwrap();
        let mut create = Command::new("qemu-img");
        create.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]);
        run(create.arg(self.base()).arg(self.overlay()));
    }

    /// What makes the overlay different from an empty one.
    pub(crate) fn write_delta(&self) {
        let write = format!("write -q -P 0x5a {DELTA_AT} {DELTA}");
        run(Command::new("qemu-io")
            .args(["-c", &write])
            .arg(self.overlay()));
    }

    pub(crate) fn serial(&self) -> String {
        fs::read_to_string(self.directory.join("serial")).unwrap_or_default()
    }

    /// The guest runs here, and writes its disk.
    pub(crate) fn goes_on(&self) {
        let before = self.serial().len();
        self.wait_for("the guest goes on", |site| site.serial().len() > before + 3);
        assert!(
            !self.serial().contains('!'),
            "the guest cannot write its disk"
        );
        assert_eq!(self.state(), "running");
    }

    /// Everything that the guest wrote until it was ended here is on the disk, and so is the rest.
    /// Returns its last number.
    pub(crate) fn disk_is_whole(&self) -> u32 {
        let raw = self.directory.join("raw");
        run(Command::new("qemu-img")
            .args(["convert", "-U", "-O", "raw"])
            .arg(self.overlay())
            .arg(&raw));
        let disk = fs::read(&raw).unwrap();
        assert_eq!(disk.len() as u64, SIZE);
        assert_eq!(disk[..SECTOR], boot_sector());
        assert!(
            disk[DELTA_AT..DELTA_AT + DELTA]
                .iter()
                .all(|octet| *octet == 0x5a)
        );
        let number = |slot: u32| {
            let at = (RING_AT + slot as usize) * SECTOR;
            u32::from_le_bytes(disk[at..at + 4].try_into().unwrap())
        };
        let last = (0..RING).map(number).max().unwrap();
        for expected in last.saturating_sub(RING - 1).max(1)..=last {
            assert_eq!(number(expected % RING), expected, "of {last}");
        }
        last
    }

    pub(crate) fn define(&self, change: impl Fn(String) -> String) {
        let xml = change(definition(&self.directory));
        let file = self.directory.join("vm1.xml");
        fs::write(&file, xml).unwrap();
        self.virsh(&["define", file.to_str().unwrap()]);
    }

    /// A site that the guest runs at.
    pub(crate) fn run_guest(&self) {
        self.make_disk();
        self.write_delta();
        self.define(|xml| xml);
        self.virsh(&["start", DOMAIN]);
        self.goes_on();
    }

    /// A site that the guest may come to.
    pub(crate) fn expect_guest(&self) {
        self.make_disk();
        self.define(|xml| xml);
    }
}

fn definition(site: &Path) -> String {
    let site = site.display();
    format!(
        "<domain type='qemu'>
  <name>{DOMAIN}</name>
  <uuid>0d5e4f6a-0000-4000-8000-000000000001</uuid>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'><model>qemu64</model><feature policy='disable' name='cx16'/></cpu>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>{EMULATOR}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{site}/images/vm1.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='file'><source path='{site}/serial'/></serial>
    <channel type='unix'><target type='virtio' name='org.ilnp.relocate.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
"
    )
}

fn run(command: &mut Command) {
    let output = command.output().expect("qemu-utils is installed");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
