//! What a guest sees of its machine, as lines that two sites can compare.
//!
//! What stays behind the device (a path, a bridge, a TAP's name) is for each site to say; what the
//! guest sees (models, addresses on its buses, hardware addresses) must be the same.

use roxmltree::Node;

use super::definition::child;

/// Nothing of these reaches the guest: `console` repeats the first serial line.
const BEHIND: [&str; 5] = ["audio", "console", "emulator", "graphics", "resource"];

/// What describes a device to the guest: an element below it, and its attributes that count.
const SEEN: [(&str, &[&str]); 7] = [
    (
        "address",
        &[
            "type",
            "domain",
            "bus",
            "slot",
            "function",
            "controller",
            "port",
            "unit",
            "target",
            "iobase",
            "irq",
            "base",
        ],
    ),
    ("driver", &["queues", "iommu", "ats", "packed"]),
    ("mac", &["address"]),
    ("model", &["type", "name", "heads", "vram"]),
    ("target", &["bus", "chassis", "port", "type", "name"]),
    ("serial", &[]),
    ("wwn", &[]),
];

/// Attributes of a device's own element.
const OWN: [&str; 5] = ["device", "index", "model", "bus", "ports"];

/// One line a device, and one for each other part of the machine, sorted.
pub(super) fn of(domain: Node<'_, '_>) -> Vec<String> {
    let mut lines = Vec::new();
    // In the guest's SMBIOS; and libvirt refuses a domain with another.
    lines.extend(line_of_text(domain, "uuid"));
    if let Some(online) = child(domain, "vcpu").and_then(|vcpu| vcpu.attribute("current")) {
        lines.push(format!("online processors {online}"));
    }
    if let Some(features) = child(domain, "features") {
        for feature in features.children().filter(Node::is_element) {
            lines.push(format!("feature {}", line(feature, |_| true)));
        }
    }
    if let Some(loader) = child(domain, "os").and_then(|os| child(os, "loader")) {
        let kind = loader.attribute("type").unwrap_or("rom");
        lines.push(format!("firmware {kind}"));
    }
    if let Some(devices) = child(domain, "devices") {
        for device in devices.children().filter(Node::is_element) {
            if !BEHIND.contains(&device.tag_name().name()) {
                lines.push(device_line(device));
            }
        }
    }
    lines.sort();
    lines
}

fn device_line(device: Node<'_, '_>) -> String {
    let mut words = line(device, |name| OWN.contains(&name));
    for (name, attributes) in SEEN {
        let Some(part) = child(device, name) else {
            continue;
        };
        // The end of a guest's network interface at the host has a name of the host's.
        for attribute in attributes {
            if let Some(value) = part.attribute(*attribute) {
                words.push_str(&format!(" {name}-{attribute}={value}"));
            }
        }
        if attributes.is_empty() {
            let text = part.text().unwrap_or_default().trim();
            words.push_str(&format!(" {name}={text}"));
        }
    }
    words
}

fn line(element: Node<'_, '_>, counts: impl Fn(&str) -> bool) -> String {
    let mut words = element.tag_name().name().to_owned();
    for attribute in element.attributes() {
        if counts(attribute.name()) {
            words.push_str(&format!(" {}={}", attribute.name(), attribute.value()));
        }
    }
    words
}

fn line_of_text(domain: Node<'_, '_>, name: &str) -> Option<String> {
    let text = child(domain, name)?.text()?.trim();
    Some(format!("{name} {text}"))
}
