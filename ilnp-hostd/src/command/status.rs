//! `ilnp status`

use anyhow::bail;

use crate::api::names::{Dns, Primary, Resolver};
use crate::api::status::{Relocation, Status};
use ilnp_service::client::Client;
use ilnp_service::output::{Output, duration};

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let status: Status = client.get("/v1/status").await?;
    output.document(&status, text)?;
    match status.fenced {
        None => Ok(()),
        Some(why) => bail!("fenced: {}", why.remedy),
    }
}

fn text(status: &Status) -> String {
    let ready = match (&status.fenced, status.ready) {
        (Some(_), _) => "no: fenced",
        (None, true) => "yes",
        (None, false) => "no: no Locator works",
    };
    let mut lines = vec![
        ("NID", status.nid.to_string()),
        ("handle", status.handle.to_string()),
        ("interface", status.interface.clone()),
        ("ready", ready.to_owned()),
        ("uptime", ago(status.uptime_s)),
        ("correspondents", status.correspondents.to_string()),
    ];
    lines.extend(
        status
            .fenced
            .iter()
            .map(|why| ("fenced", why.reason.clone())),
    );
    lines.extend(status.relocation.iter().map(planned));
    lines.extend(status.dns.iter().flat_map(published));
    lines.extend(status.resolver.iter().flat_map(resolving));
    let lines: String = lines
        .iter()
        .map(|(key, value)| format!("{key:<15} {value}\n"))
        .collect();
    let locators = super::locators::table_of(&status.locators);
    format!("{lines}\n{locators}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds since something happened are small and positive"
)]
fn ago(seconds: f64) -> String {
    duration(seconds as u64)
}

fn planned(plan: &Relocation) -> (&'static str, String) {
    let locators: Vec<_> = plan.locators.iter().map(ToString::to_string).collect();
    let locators = locators.join(", ");
    let left = ago(plan.remaining_s);
    let text = match plan.switched {
        true => format!("to {locators} now, or back in {left}"),
        false => format!("prepared to {locators}, for {left}"),
    };
    ("relocation", text)
}

fn published(dns: &Dns) -> Vec<(&'static str, String)> {
    let mut lines = vec![("published as", dns.name.clone())];
    lines.extend(dns.primaries.iter().map(|one| ("  at", primary(one))));
    lines
}

fn primary(primary: &Primary) -> String {
    let mut text = primary.server.to_string();
    match (&primary.confirmed, primary.trying_s) {
        (Some(confirmed), None) => {
            text.push_str(&format!(": confirmed {} ago", ago(confirmed.since_s)));
        }
        (_, Some(trying)) => {
            text.push_str(&format!(": not yet, trying for {}", ago(trying)));
        }
        (None, None) => text.push_str(": nothing to publish yet"),
    }
    if let Some(problem) = &primary.problem {
        text.push_str(&format!(", {}", problem.message));
    }
    text
}

fn resolving(resolver: &Resolver) -> Vec<(&'static str, String)> {
    let listen: Vec<_> = resolver.listen.iter().map(ToString::to_string).collect();
    let asks: Vec<_> = resolver
        .upstreams
        .iter()
        .map(|upstream| match upstream.answers {
            Some(false) => format!("{} (does not answer)", upstream.server),
            _ => upstream.server.to_string(),
        })
        .collect();
    let asks = match asks.is_empty() {
        true => "nobody".to_owned(),
        false => asks.join(", "),
    };
    let sent = match (&resolver.error, &resolver.installed) {
        (Some(error), _) => error.clone(),
        (None, Some(way)) => format!("through {way}"),
        (None, None) => "not by this daemon".to_owned(),
    };
    let mut lines = vec![
        ("resolver", listen.join(", ")),
        ("  asks", asks),
        ("  installed", sent),
    ];
    if !resolver.bypassed.is_empty() {
        lines.push(("  bypassed by", resolver.bypassed.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::names::{Confirmed, Problem, Upstream};

    #[test]
    fn publishing_and_resolving_are_shown() {
        let one = |confirmed, trying_s, problem| Primary {
            server: "[2001:db8:c::53]:53".parse().unwrap(),
            zone: None,
            state: String::new(),
            confirmed,
            trying_s,
            failures: 1,
            problem,
        };
        let confirmed = Some(Confirmed {
            since_s: 61.0,
            locators: Vec::new(),
        });
        let problem = Some(Problem {
            kind: "wrong-key".to_owned(),
            message: "wrong key".to_owned(),
        });
        let status = Status {
            schema: 1,
            nid: "0214:4fff:fe20:ee64".parse().unwrap(),
            handle: "fd69:6c6e:7000:2627:214:4fff:fe20:ee64".parse().unwrap(),
            interface: "ilnp0".to_owned(),
            ready: true,
            fenced: None,
            uptime_s: 5.5,
            locators: Vec::new(),
            correspondents: 2,
            relocation: Some(Relocation {
                locators: vec!["2001:db8:b::/64".parse().unwrap()],
                switched: false,
                remaining_s: 3599.5,
            }),
            dns: Some(Dns {
                name: "vm1.example.org".to_owned(),
                primaries: vec![
                    one(confirmed.clone(), None, None),
                    one(confirmed, Some(3.0), problem),
                    one(None, None, None),
                ],
            }),
            resolver: Some(Resolver {
                listen: vec!["[::1]:53".parse().unwrap()],
                installed: Some("systemd-resolved".to_owned()),
                error: None,
                bypassed: vec!["corp.example".to_owned()],
                upstreams: vec![Upstream {
                    server: "192.0.2.53:53".parse().unwrap(),
                    answers: Some(false),
                }],
            }),
        };
        insta::assert_snapshot!(text(&status), @r"
        NID             0214:4fff:fe20:ee64
        handle          fd69:6c6e:7000:2627:214:4fff:fe20:ee64
        interface       ilnp0
        ready           yes
        uptime          5 s
        correspondents  2
        relocation      prepared to 2001:db8:b::/64, for 59 min 59 s
        published as    vm1.example.org
          at            [2001:db8:c::53]:53: confirmed 1 min 1 s ago
          at            [2001:db8:c::53]:53: not yet, trying for 3 s, wrong key
          at            [2001:db8:c::53]:53: nothing to publish yet
        resolver        [::1]:53
          asks          192.0.2.53:53 (does not answer)
          installed     through systemd-resolved
          bypassed by   corp.example

        LOCATOR  INTERFACE  STATE  PREFERENCE  LIFETIME
        ");
    }
}
