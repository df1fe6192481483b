//! What a domain is, read from the XML that `virsh dumpxml` prints.

use std::path::PathBuf;

use roxmltree::{Document, Node, ParsingOptions};

use super::devices;

/// A definition has some hundred elements.
const MOST_NODES: u32 = 100_000;

/// A domain as libvirt defines it. Only what is the same before and after it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) machine: String,
    pub(super) cpu: String,
    pub(super) accelerator: String,
    pub(super) processors: u32,
    /// In octets.
    pub(super) memory: u64,
    /// What a guest sees of its machine, in an order that does not change.
    pub(super) devices: Vec<String>,
    pub(super) disks: Vec<Image>,
}

/// A disk that the guest can write and that belongs to it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// What the guest's controller calls it, as `vda`.
    pub(super) target: String,
    /// `qcow2`, `raw`.
    pub(super) format: String,
    /// The file.
    pub(super) file: PathBuf,
}

/// The definition is not what libvirt prints, or has what cannot be moved.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the definition of the domain is no XML: {0}")]
    Xml(#[from] roxmltree::Error),
    #[error("the definition of the domain has no {0}")]
    Missing(&'static str),
    #[error("{0:?} is no {1}")]
    Value(String, &'static str),
    #[error(
        "disk {0} is no file with its format given: only <disk type='file'> with <driver name='qemu' type='qcow2'/> or 'raw' can be moved"
    )]
    Disk(String),
}

impl Definition {
    pub(super) fn parse(xml: &str) -> Result<Self, Unreadable> {
        let document = parse(xml)?;
        let domain = document.root_element();
        let os = child(domain, "os").ok_or(Unreadable::Missing("os"))?;
        let machine = child(os, "type")
            .and_then(|kind| kind.attribute("machine"))
            .ok_or(Unreadable::Missing("machine"))?;
        let vcpu = child(domain, "vcpu").ok_or(Unreadable::Missing("vcpu"))?;
        Ok(Self {
            machine: machine.to_owned(),
            cpu: cpu(domain),
            accelerator: match domain.attribute("type") {
                Some("qemu") => "tcg".to_owned(),
                Some(other) => other.to_owned(),
                None => return Err(Unreadable::Missing("type")),
            },
            processors: number(text(vcpu), "number of processors")?,
            memory: memory(domain)?,
            devices: devices::of(domain),
            disks: disks(domain)?,
        })
    }
}

/// The socket of the guest's virtio-serial port `name`, if the guest has it and runs.
pub(super) fn port(xml: &str, name: &str) -> Result<Option<PathBuf>, Unreadable> {
    let document = parse(xml)?;
    Ok(document
        .descendants()
        .filter(|node| node.has_tag_name("channel"))
        .filter(|channel| {
            child(*channel, "target").is_some_and(|target| target.attribute("name") == Some(name))
        })
        .find_map(|channel| child(channel, "source")?.attribute("path"))
        .map(PathBuf::from))
}

/// A user and a group of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// Whom QEMUs run as, by the XML that `virsh capabilities` prints; `None` for the daemon's own user.
pub(super) fn owner(xml: &str) -> Result<Option<Owner>, Unreadable> {
    let document = parse(xml)?;
    let label = document
        .descendants()
        .filter(|node| node.has_tag_name("secmodel"))
        .filter(|model| child(*model, "model").is_some_and(|name| text(name) == "dac"))
        .find_map(|model| child(model, "baselabel"))
        .map(text);
    let Some(label) = label else {
        return Ok(None);
    };
    // Numbers have a sign, since names may be numbers.
    let numbers = label.split_once(':').and_then(|(user, group)| {
        let number = |text: &str| text.trim_start_matches('+').parse().ok();
        Some(Owner {
            user: number(user)?,
            group: number(group)?,
        })
    });
    match numbers {
        Some(owner) => Ok(Some(owner)),
        None => Err(Unreadable::Value(label.to_owned(), "user and group")),
    }
}

/// The first child element with this name.
pub(super) fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn parse(xml: &str) -> Result<Document<'_>, Unreadable> {
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    Ok(Document::parse_with_options(xml, options)?)
}

fn text<'a>(node: Node<'a, 'a>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

fn number<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Unreadable> {
    text.parse()
        .map_err(|_| Unreadable::Value(text.to_owned(), what))
}

fn memory(domain: Node<'_, '_>) -> Result<u64, Unreadable> {
    let memory = child(domain, "memory").ok_or(Unreadable::Missing("memory"))?;
    // libvirt prints no other unit, whatever was given.
    match memory.attribute("unit") {
        None | Some("KiB") => number::<u64>(text(memory), "amount of memory")?
            .checked_mul(1024)
            .ok_or_else(|| Unreadable::Value(text(memory).to_owned(), "amount of memory")),
        Some(unit) => Err(Unreadable::Value(unit.to_owned(), "unit of memory")),
    }
}

/// As QEMU writes it: `qemu64,+aes,-cx16`. A model that depends on the machine (`host-model`,
/// `host-passthrough`) is what it is called, and then never equal to what another site made of it.
fn cpu(domain: Node<'_, '_>) -> String {
    let Some(cpu) = child(domain, "cpu") else {
        return "default".to_owned();
    };
    let mode = cpu.attribute("mode").unwrap_or("custom");
    let model = child(cpu, "model")
        .map(text)
        .filter(|model| !model.is_empty());
    let mut features: Vec<String> = cpu
        .children()
        .filter(|node| node.has_tag_name("feature"))
        .map(|feature| {
            let sign = match feature.attribute("policy") {
                None | Some("require") => "+",
                Some("disable") => "-",
                Some("force") => "force:",
                Some("optional") => "optional:",
                Some(_) => "forbid:",
            };
            format!("{sign}{}", feature.attribute("name").unwrap_or_default())
        })
        .collect();
    features.sort();
    let mut cpu = match (mode, model) {
        ("custom", Some(model)) => model.to_owned(),
        (mode, Some(model)) => format!("{mode}:{model}"),
        (mode, None) => mode.to_owned(),
    };
    for feature in features {
        cpu.push(',');
        cpu.push_str(&feature);
    }
    cpu
}

/// The disks that libvirt copies: those that the guest can write and that are its own.
fn disks(domain: Node<'_, '_>) -> Result<Vec<Image>, Unreadable> {
    let devices = child(domain, "devices").ok_or(Unreadable::Missing("devices"))?;
    devices
        .children()
        .filter(|node| node.has_tag_name("disk"))
        .filter(|disk| matches!(disk.attribute("device"), None | Some("disk")))
        .filter(|disk| child(*disk, "readonly").is_none() && child(*disk, "shareable").is_none())
        .map(image)
        .collect()
}

fn image(disk: Node<'_, '_>) -> Result<Image, Unreadable> {
    let target = child(disk, "target")
        .and_then(|target| target.attribute("dev"))
        .ok_or(Unreadable::Missing("name of a disk"))?;
    let file = child(disk, "source").and_then(|source| source.attribute("file"));
    let format = child(disk, "driver").and_then(|driver| driver.attribute("type"));
    match (file, format) {
        (Some(file), Some(format @ ("qcow2" | "raw"))) => Ok(Image {
            target: target.to_owned(),
            format: format.to_owned(),
            file: PathBuf::from(file),
        }),
        _ => Err(Unreadable::Disk(target.to_owned())),
    }
}
