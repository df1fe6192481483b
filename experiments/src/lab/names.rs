//! The name servers of a lab, and names as its hosts see them.

use std::net::Ipv6Addr;

use super::Lab;
use crate::error::LabError;
use crate::name_server::NameServer;
use crate::process;

impl Lab {
    /// Starts the name servers, primary ones first, and waits until each answers for its zone.
    ///
    /// # Errors
    /// [`LabError::Failed`] with the end of its log when one does not.
    pub fn start_name_servers(&mut self) -> Result<(), LabError> {
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let dnsd = self.programs.as_ref().and_then(|p| p.dnsd.as_deref());
        let servers = self.scenario.name_servers.iter();
        let (primaries, secondaries): (Vec<_>, Vec<_>) =
            servers.partition(|server| server.secondary_of.is_none());
        for settings in primaries.into_iter().chain(secondaries) {
            self.name_servers.push(NameServer::start(
                &self.scenario,
                &self.topology,
                settings,
                keys,
                (dnsd, &self.options.out),
            )?);
        }
        Ok(())
    }

    /// The name servers that were started.
    pub fn name_servers(&self) -> &[NameServer] {
        &self.name_servers
    }

    /// Looks a name up as a host's programs do, and returns the first address.
    ///
    /// # Errors
    /// [`LabError::Failed`] when it is not found.
    pub fn look_up(&self, host: &str, name: &str) -> Result<Ipv6Addr, LabError> {
        let mut command = self.host(host)?.command("getent");
        let found = process::run(command.args(["ahostsv6", name]), "")?;
        let text = String::from_utf8_lossy(&found.stdout);
        let first = text.split_whitespace().next().unwrap_or_default();
        first.parse().map_err(|_| LabError::Failed {
            command: format!("getent ahostsv6 {name}"),
            status: "no address".to_owned(),
            output: text.into_owned(),
        })
    }
}
