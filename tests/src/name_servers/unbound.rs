//! Unbound's configuration.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use experiments::process::unconfined;

use super::{Role, Setup};

pub(super) fn prepare(setup: &Setup<'_>, directory: &Path) -> anyhow::Result<Command> {
    let own = setup.address;
    let mut text = format!(
        "server:\n    interface: {}@{}\n    directory: \"{place}\"\n    chroot: \"\"\n    \
         username: \"\"\n    pidfile: \"\"\n    use-syslog: no\n    num-threads: 1\n    \
         do-not-query-localhost: no\n    module-config: \"iterator\"\n    \
         access-control: 0.0.0.0/0 allow\n    access-control: ::0/0 allow\n",
        own.ip(),
        own.port(),
        place = directory.display()
    );
    for zone in &setup.zones {
        // Unbound answers names below "test." and some others by itself unless it is told not to.
        writeln!(text, "    local-zone: \"{}.\" transparent", zone.name)?;
    }
    text.push_str("remote-control:\n    control-enable: no\n");
    for zone in &setup.zones {
        let Role::Stub(server) = zone.role else {
            bail!("Unbound is a resolver only");
        };
        let (ip, port) = (server.ip(), server.port());
        writeln!(
            text,
            "stub-zone:\n    name: \"{}.\"\n    stub-addr: {ip}@{port}",
            zone.name
        )?;
    }
    let config = directory.join("unbound.conf");
    fs::write(&config, text)?;
    // `env` starts whatever its first words are.
    let mut command = Command::new("env");
    command.args(unconfined("unbound"));
    command.arg("-d").arg("-c").arg(config);
    Ok(command)
}
