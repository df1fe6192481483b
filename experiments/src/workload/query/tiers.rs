//! The three tiers of a query, each in a guest of its own: web server, application, database. Each
//! keeps its connections to the next one for ever.

use std::net::Ipv6Addr;
use std::path::Path;

use super::{USERS, database};
use crate::error::LabError;
use crate::guest::Image;
use crate::scenario::Workload;
use crate::workload::curl;

/// What a guest does for a query, and the address of the guest that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Web(Ipv6Addr),
    Application(Ipv6Addr),
    Database,
}

impl Tier {
    /// The tier of a guest; `reach` says by which address it reaches another one.
    fn of(
        workload: &Workload,
        guest: &str,
        reach: impl Fn(&str) -> Option<Ipv6Addr>,
    ) -> Option<Self> {
        let [application, database] = workload.tiers.as_ref()?;
        if guest == workload.to {
            reach(application).map(Self::Web)
        } else if guest == application {
            reach(database).map(Self::Application)
        } else {
            (guest == database).then_some(Self::Database)
        }
    }
}

/// What a tier is made with.
pub(in crate::workload) struct Place<'a> {
    /// The guest's name.
    pub(in crate::workload) guest: &'a str,
    /// The port that each tier listens on.
    pub(in crate::workload) port: u16,
    /// A folder on this machine, for the session.
    pub(in crate::workload) directory: &'a Path,
    /// A folder in the guest, for the session.
    pub(in crate::workload) inside: &'a str,
    /// The program of this workspace that is the application, and its place in guests.
    pub(in crate::workload) application: (&'a Path, &'a str),
}

/// Adds a guest's part to its image, and returns the lines of a shell that run it.
///
/// # Errors
/// [`LabError`] when a program is missing or a file cannot be made.
pub(in crate::workload) fn add(
    image: &mut Image,
    workload: &Workload,
    place: &Place<'_>,
    reach: impl Fn(&str) -> Option<Ipv6Addr>,
) -> Result<String, LabError> {
    let (port, inside) = (place.port, place.inside);
    let tier = Tier::of(workload, place.guest, reach);
    match tier.ok_or_else(|| LabError::Misuse(format!("{} has no part in it", place.guest)))? {
        Tier::Web(application) => {
            let text = web_configuration(port, application, inside);
            image.file(&format!("{inside}/nginx.conf"), 0o644, text.as_bytes())?;
            image.program(Path::new(curl::SERVER), curl::SERVER)?;
            Ok(format!("{} -e stderr -c {inside}/nginx.conf", curl::SERVER))
        }
        Tier::Application(database) => {
            let release = database::Release::find()?;
            let psql = release.program("psql").display().to_string();
            image.program(Path::new(&psql), &psql)?;
            let (program, target) = place.application;
            image.program(program, target)?;
            Ok(format!(
                "{target} application {port} {psql} \
                 'host={database} port={port} user=postgres dbname=postgres connect_timeout=10'"
            ))
        }
        Tier::Database => database::add(image, place.directory, inside, port),
    }
}

/// The configuration of an nginx that hands every user's requests on to the application, each on a
/// connection of the user's own: which connection answers tells whether it was kept.
fn web_configuration(port: u16, application: Ipv6Addr, directory: &str) -> String {
    let temporary = curl::temporary_folders(directory);
    let for_users = |text: fn(u32) -> String| (0..USERS).map(text).collect::<String>();
    let upstreams = for_users(|user| {
        format!(
            "\tupstream user{user} {{ server APPLICATION; keepalive 1; \
             keepalive_requests 100000000; keepalive_timeout 24h; }}\n"
        )
    });
    let upstreams = upstreams.replace("APPLICATION", &format!("[{application}]:{port}"));
    let locations =
        for_users(|user| format!("\t\tlocation /{user}/ {{ proxy_pass http://user{user}; }}\n"));
    format!(
        "daemon off;\nuser root root;\nworker_processes 1;\npid {directory}/nginx.pid;\n\
         error_log stderr warn;\nevents {{ }}\n\
         http {{\n\taccess_log off;\n{temporary}\
         \tkeepalive_requests 100000000;\n\tkeepalive_timeout 24h;\n\
         \tproxy_http_version 1.1;\n\tproxy_set_header Connection \"\";\n\
         \tproxy_next_upstream off;\n\tproxy_read_timeout 24h;\n\
         {upstreams}\tserver {{\n\t\tlisten [::]:{port};\n{locations}\t}}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Program;

    #[test]
    fn each_guest_asks_the_one_behind_it() {
        let mut workload = Workload::new(Program::Query, "user", "web");
        workload.tiers = Some(["app", "db"].map(str::to_owned));
        let addresses = ["web", "app", "db"];
        let reach = |name: &str| {
            let place = addresses.iter().position(|known| *known == name)?;
            Some(Ipv6Addr::from(place as u128))
        };
        let tier = |guest| Tier::of(&workload, guest, reach);
        assert_eq!(tier("web"), Some(Tier::Web(Ipv6Addr::from(1))));
        assert_eq!(tier("app"), Some(Tier::Application(Ipv6Addr::from(2))));
        assert_eq!(tier("db"), Some(Tier::Database));
        assert_eq!(tier("user"), None);
    }
}
