//! QEMU's command line. The source's and the target's are the same, but for where the disks are
//! and how it begins: devices must come in the same order, or the guest's state does not fit.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::apart::apart;
use super::image::Format;
use super::settings::Settings;

/// The name of the guest's virtio-serial port.
pub const PORT_NAME: &str = "org.ilnp.relocate.0";

/// How QEMU begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The guest boots.
    Boot,
    /// A guest will arrive; nothing makes it run but the agent.
    Incoming,
    /// Nothing runs or arrives: to see what machine it would be.
    Trial,
}

/// What is behind a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    /// A qcow2 image, on a base or alone.
    Image {
        path: PathBuf,
        base: Option<(PathBuf, Format)>,
    },
    /// Nothing: a disk of this size that reads as zeroes.
    Nothing { size: u64 },
}

/// The arguments for a guest whose disks, in the order of the settings, have these backends.
pub(super) fn arguments(
    settings: &Settings,
    beginning: Beginning,
    backends: &[Backend],
) -> Vec<String> {
    let mut line = Line(Vec::new());
    line.add("-name", &settings.name);
    line.add("-machine", &settings.machine);
    line.add("-accel", &settings.accelerator);
    line.add("-cpu", &settings.cpu);
    line.add("-m", format!("size={}K", memory(settings) >> 10));
    line.add("-smp", settings.processors.to_string());
    line.0
        .extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
    line.add("-display", "none");
    line.add("-pidfile", settings.pid_file().display().to_string());
    line.add("-chardev", socket("monitor", &settings.monitor_socket()));
    line.add("-mon", "chardev=monitor,mode=control");
    for (disk, backend) in settings.disks.iter().zip(backends) {
        for node in block_nodes(&disk.id, backend) {
            line.add("-blockdev", node.to_string());
        }
        line.add(
            "-device",
            format!("virtio-blk-pci,drive={0},id={0}", disk.id),
        );
    }
    if settings.port {
        line.add("-chardev", socket("port", &settings.port_socket()));
        line.add("-device", "virtio-serial-pci,id=relocate");
        line.add(
            "-device",
            format!("virtserialport,bus=relocate.0,chardev=port,id=relocate-port,name={PORT_NAME}"),
        );
    }
    line.0.extend(match beginning {
        Beginning::Boot | Beginning::Incoming => settings.arguments.clone(),
        Beginning::Trial => apart(&settings.arguments),
    });
    match beginning {
        Beginning::Boot => {}
        Beginning::Incoming => {
            line.0.push("-S".to_owned());
            line.add("-incoming", "defer");
        }
        Beginning::Trial => line.0.push("-S".to_owned()),
    }
    line.0
}

/// The node that a base image is, below the disk with this identifier.
pub(super) fn base_node(disk: &str) -> String {
    format!("{disk}-base")
}

/// The guest's memory in octets.
///
/// An emulated guest gets 8 KiB more than it was given. Before version 9.0, QEMU loses writes that an
/// emulated guest makes while its memory is copied, and the guest arrives corrupted: where the size
/// is a multiple of 64 pages, what was written is collected by a short cut that does not tell the
/// emulated processor to report the next write to these pages. KVM is told otherwise.
fn memory(settings: &Settings) -> u64 {
    let emulated = settings.accelerator.starts_with("tcg");
    settings.memory + if emulated { 8 << 10 } else { 0 }
}

struct Line(Vec<String>);

impl Line {
    fn add(&mut self, option: &str, value: impl Into<String>) {
        self.0.extend([option.to_owned(), value.into()]);
    }
}

/// A socket that QEMU listens on. In options of this form a comma is written twice.
fn socket(id: &str, path: &Path) -> String {
    let path = path.display().to_string().replace(',', ",,");
    format!("socket,id={id},path={path},server=on,wait=off")
}

/// The block nodes of a disk, lowest first. Formats are never guessed: a guest could write the head
/// of another format into a raw image.
fn block_nodes(id: &str, backend: &Backend) -> Vec<Value> {
    let (path, base) = match backend {
        Backend::Nothing { size } => {
            return vec![
                json!({"driver": "null-co", "node-name": id, "size": size, "read-zeroes": true}),
            ];
        }
        Backend::Image { path, base } => (path, base),
    };
    let mut nodes = Vec::new();
    let mut overlay =
        json!({"driver": "qcow2", "node-name": id, "file": format!("{id}-file"), "backing": null});
    if let Some((base, format)) = base {
        let (node, file) = (base_node(id), format!("{id}-base-file"));
        nodes.push(
            json!({"driver": "file", "node-name": file, "filename": base, "read-only": true}),
        );
        nodes.push(
            json!({"driver": format.name(), "node-name": node, "file": file, "read-only": true}),
        );
        overlay["backing"] = json!(node);
    }
    nodes.push(json!({"driver": "file", "node-name": format!("{id}-file"), "filename": path}));
    nodes.push(overlay);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::settings::example;

    fn settings() -> Settings {
        Settings {
            arguments: vec!["-device".into(), "virtio-rng-pci".into()],
            run_dir: "/run/a,b".into(),
            ..example()
        }
    }

    fn with_base(path: &str) -> Backend {
        Backend::Image {
            path: path.into(),
            base: Some(("/base,1.img".into(), Format::Raw)),
        }
    }

    fn value_of<'a>(arguments: &'a [String], option: &str) -> Vec<&'a str> {
        let pairs = arguments.windows(2).filter(|pair| pair[0] == option);
        pairs.map(|pair| pair[1].as_str()).collect()
    }

    #[test]
    fn both_sites_have_the_same_machine() {
        let source = arguments(&settings(), Beginning::Boot, &[with_base("/o.qcow2")]);
        let target = arguments(&settings(), Beginning::Incoming, &[with_base("/o.qcow2")]);
        assert_eq!(target[..source.len()], source);
        assert_eq!(target[source.len()..], ["-S", "-incoming", "defer"]);
        let trial = arguments(
            &settings(),
            Beginning::Trial,
            &[Backend::Nothing { size: 1 << 20 }],
        );
        assert_eq!(value_of(&trial, "-device"), value_of(&source, "-device"));
        assert_eq!(trial.last().unwrap(), "-S");
    }

    #[test]
    fn paths_cannot_add_options() {
        let line = arguments(&settings(), Beginning::Boot, &[with_base("/o.qcow2")]);
        assert!(
            line.contains(
                &"socket,id=monitor,path=/run/a,,b/vm1.qmp,server=on,wait=off".to_owned()
            )
        );
        let nodes: Vec<Value> = value_of(&line, "-blockdev")
            .into_iter()
            .map(|node| serde_json::from_str(node).unwrap())
            .collect();
        assert_eq!(nodes[0]["filename"], "/base,1.img");
        assert_eq!(
            (&nodes[1]["driver"], &nodes[1]["read-only"]),
            (&json!("raw"), &json!(true))
        );
        assert_eq!(nodes[3]["backing"], "vd0-base");
    }

    #[test]
    fn a_disk_that_stands_alone_has_no_base() {
        let alone = Backend::Image {
            path: "/o.qcow2".into(),
            base: None,
        };
        let line = arguments(&settings(), Beginning::Boot, &[alone]);
        let nodes = value_of(&line, "-blockdev");
        assert_eq!(nodes.len(), 2);
        assert!(nodes[1].contains("\"backing\":null"));
    }
}
