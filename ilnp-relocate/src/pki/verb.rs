//! The verb `pki`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use x509_parser::time::ASN1Time;

use super::{Authority, Entry, PkiError};
use crate::site::Site;

/// Makes and revokes the certificates by which agents know each other.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Make a new certification authority
    Init {
        /// Where it is kept; its key must not leave this directory
        directory: PathBuf,
        /// What it is called in its certificate
        #[arg(long)]
        name: String,
    },
    /// Make a key and a certificate for a site
    Issue {
        /// The authority's directory
        directory: PathBuf,
        /// The site's name, as in the agents' configuration
        site: Site,
    },
    /// Revoke the certificate of a site
    Revoke {
        /// The authority's directory
        directory: PathBuf,
        /// The site's name
        site: Site,
    },
    /// List every certificate that was issued
    Show {
        /// The authority's directory
        directory: PathBuf,
    },
}

impl Verb {
    /// Does it, and returns what there is to print.
    ///
    /// # Errors
    /// As [`Authority`] has them.
    pub fn run(self, as_json: bool) -> Result<String, PkiError> {
        let (text, document) = match self {
            Self::Init { directory, name } => {
                Authority::init(&directory, &name)?;
                let [ca, revoked] = ["ca.pem", "revoked.pem"].map(|file| directory.join(file));
                let text = format!(
                    "made {name}: every site needs {} and {}\n",
                    ca.display(),
                    revoked.display()
                );
                (text, json!({ "schema": 1, "ca": ca, "revoked": revoked }))
            }
            Self::Issue { directory, site } => {
                let issued = Authority::open(&directory)?.issue(&site)?;
                let text = format!(
                    "site {site} needs {} and {}, and nobody else does\n",
                    issued.certificate.display(),
                    issued.key.display()
                );
                (text, json!({ "schema": 1, "site": site, "issued": issued }))
            }
            Self::Revoke { directory, site } => {
                let list = Authority::open(&directory)?.revoke(&site)?;
                let text = format!(
                    "revoked: give {} to every site, and send its agent SIGHUP\n",
                    list.display()
                );
                (text, json!({ "schema": 1, "site": site, "revoked": list }))
            }
            Self::Show { directory } => {
                let entries = Authority::open(&directory)?.entries()?;
                (
                    table(&entries),
                    json!({ "schema": 1, "certificates": entries }),
                )
            }
        };
        Ok(if as_json {
            format!("{document}\n")
        } else {
            text
        })
    }
}

fn table(entries: &[Entry]) -> String {
    let width = entries
        .iter()
        .map(|entry| entry.site.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut text = format!("{:width$}  {:9}  {:31}  SERIAL\n", "SITE", "STATE", "UNTIL");
    let now = ASN1Time::now().timestamp();
    for entry in entries {
        let state = match entry {
            _ if entry.revoked => "revoked",
            _ if entry.until < now => "expired",
            _ => "good",
        };
        let until = ASN1Time::from_timestamp(entry.until);
        let until = until.map_or_else(|_| entry.until.to_string(), |until| until.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:width$}  {state:9}  {until:31}  {}",
            entry.site, entry.serial
        );
    }
    text
}
