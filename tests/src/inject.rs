//! Frames put on a link by somebody who may lie about where they come from.

use anyhow::{Context as _, bail};
use experiments::topology::Namespace;
use pnet::datalink::{self, Channel, Config, DataLinkSender, MacAddr, NetworkInterface};
use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};

const ETHERNET_HEADER: usize = 14;

/// Sends frames to one neighbour.
pub struct Injector {
    sender: Box<dyn DataLinkSender>,
    source: MacAddr,
    destination: MacAddr,
}

impl Injector {
    /// From an interface of one namespace to the host behind an interface of another, on the same
    /// link.
    ///
    /// # Errors
    /// When an interface does not exist or cannot be opened.
    pub fn open(from: (&Namespace, &str), to: (&Namespace, &str)) -> anyhow::Result<Self> {
        let destination = to.0.inside(|| interface(to.1))??;
        let (sender, source) = from.0.inside(|| {
            let interface = interface(from.1)?;
            match datalink::channel(&interface, Config::default())? {
                Channel::Ethernet(sender, _) => Ok((sender, address(&interface)?)),
                _ => bail!("{} is no Ethernet interface", interface.name),
            }
        })??;
        Ok(Self {
            sender,
            source,
            destination: address(&destination)?,
        })
    }

    /// Puts an IPv6 packet on the link.
    ///
    /// # Errors
    /// As the socket does.
    pub fn send(&mut self, packet: &[u8]) -> anyhow::Result<()> {
        let mut frame = vec![0; ETHERNET_HEADER];
        frame.extend_from_slice(packet);
        let mut header = MutableEthernetPacket::new(&mut frame).context("room for the header")?;
        header.set_source(self.source);
        header.set_destination(self.destination);
        header.set_ethertype(EtherTypes::Ipv6);
        self.sender
            .send_to(&frame, None)
            .context("the socket does not take frames")??;
        Ok(())
    }
}

fn interface(name: &str) -> anyhow::Result<NetworkInterface> {
    let mut all = datalink::interfaces().into_iter();
    all.find(|interface| interface.name == name)
        .with_context(|| format!("no interface is called {name}"))
}

fn address(interface: &NetworkInterface) -> anyhow::Result<MacAddr> {
    interface
        .mac
        .with_context(|| format!("{} has no address", interface.name))
}
