//! What agents say to each other.

use std::net::Ipv6Addr;

use ilnp_core::id::Locator;
use ilnp_core::relocation::{Instance, Mac, Prepare};
use serde::{Deserialize, Serialize};

use crate::config;
use crate::custody::{Message, Standing};
use crate::hypervisor::{Description, Plan};
use crate::qemu::possession::{Challenge, Proof};
use crate::report::Told;
use crate::site::Site;

/// An order or an answer, about one guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Order {
    /// The guest.
    pub(super) guest: String,
    /// What is said of it.
    pub(super) say: Say,
}

/// What is said of a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Say {
    /// About its custody.
    Custody {
        /// What.
        message: Message,
        /// What goes with it.
        details: Details,
    },
    /// Could it go on at your site?
    Check(Box<Offered>),
    /// The answer: it could, or why not.
    Checked(Result<Box<Readiness>, String>),
    /// Which part do you have in it?
    Query,
    /// The answer.
    Standing {
        /// The number of the last attempt.
        epoch: u64,
        /// The part.
        standing: Standing,
    },
    /// The guest told something after its move.
    Told(Told),
}

/// What goes with an order about custody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Details {
    /// Nothing.
    None,
    /// With an offer.
    Offered(Box<Offered>),
    /// With a readiness.
    Ready(Box<Readiness>),
    /// With a refusal or an abort: why.
    Reason(String),
}

/// A guest that is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Offered {
    /// What it is.
    pub(super) description: Description,
    /// How it is to be moved.
    pub(super) plan: Plan,
    /// Which run of the guest it is.
    pub(super) instance: Option<Instance>,
    /// What the target is to read from the base images that it has.
    pub(super) challenges: Vec<Challenge>,
}

/// A target at which a guest can go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Readiness {
    /// What the guest finds there, if it is known.
    pub(super) network: Option<Network>,
    /// What was read from the base images.
    pub(super) proofs: Vec<Proof>,
}

/// What a guest finds at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Network {
    /// The prefixes of its link, best first.
    pub(super) locators: Vec<Locator>,
    /// The link-local address of the site's router.
    pub(super) router: Ipv6Addr,
    /// The router's MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) router_mac: Option<Mac>,
}

impl From<&config::Network> for Network {
    fn from(network: &config::Network) -> Self {
        Self {
            locators: network.locators.clone(),
            router: network.router,
            router_mac: network.router_mac,
        }
    }
}

impl Network {
    /// What the guest is told of it before it moves there.
    pub(super) fn prepare(self, epoch: u64, site: &Site) -> Prepare {
        Prepare {
            epoch,
            site: site.to_string(),
            locators: self.locators,
            router: self.router,
            router_mac: self.router_mac,
        }
    }
}

/// The longest reason that is sent to another site, in characters.
const LONGEST_REASON: usize = 2000;

impl Details {
    /// A reason, as much of it as helps.
    pub(super) fn reason(text: &str) -> Self {
        Self::Reason(text.chars().take(LONGEST_REASON).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::Kind;
    use proptest::prelude::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let order = Order {
            guest: "vm1".to_owned(),
            say: Say::Custody {
                message: Message {
                    relocation: "00112233445566778899aabbccddeeff".parse().unwrap(),
                    epoch: 2,
                    kind: Kind::Refused,
                },
                details: Details::reason("no room"),
            },
        };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(
            text,
            r#"{"guest":"vm1","say":{"custody":{"message":{"relocation":"00112233445566778899aabbccddeeff","epoch":2,"kind":"refused"},"details":{"reason":"no room"}}}}"#
        );
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
    }

    proptest! {
        #[test]
        fn no_order_makes_the_reader_panic(text in r#"[\{\}\[\]":,a-z0-9\-]{0,200}"#) {
            let _ = serde_json::from_str::<Order>(&text);
        }
    }
}
