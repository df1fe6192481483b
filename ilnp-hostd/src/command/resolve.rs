//! `ilnp resolve`

use crate::api::resolve::{Answer, Question};
use ilnp_service::client::Client;
use ilnp_service::output::{Output, table};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The name to look up
    name: String,
}

pub(super) async fn run(client: &Client, output: &Output, options: Options) -> anyhow::Result<()> {
    let question = Question { name: options.name };
    let answer: Answer = client.post("/v1/resolve", &question).await?;
    output.document(&answer, text)
}

fn text(answer: &Answer) -> String {
    let rows: Vec<_> = answer
        .records
        .iter()
        .map(|record| {
            [
                record.name.clone(),
                record.ttl.to_string(),
                record.rtype.clone(),
                record.data.clone(),
            ]
        })
        .collect();
    let mut text = table(["NAME", "TTL", "TYPE", "DATA"], &rows);
    for question in &answer.unanswered {
        text.push_str(&format!("nobody answered for {question}\n"));
    }
    text.push('\n');
    text.push_str(&verdict(answer));
    text
}

fn verdict(answer: &Answer) -> String {
    match (&answer.handle, answer.verdict.as_str()) {
        (Some(handle), _) => {
            let locators: Vec<_> = answer.locators.iter().map(ToString::to_string).collect();
            format!("speaks ILNP: {handle}, at {}", locators.join(", "))
        }
        (None, "classic") => {
            "classic IPv6 for now: its host was found not to speak ILNP, or this one has no Locator"
                .to_owned()
        }
        (None, _) if !answer.unanswered.is_empty() => "not known: see above".to_owned(),
        (None, _) => "no ILNP node: classic IP".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::SCHEMA;
    use crate::api::resolve::Record;

    #[test]
    fn records_and_the_verdict_are_shown() {
        let record = |rtype: &str, data: &str| Record {
            name: "vm1.example.org".to_owned(),
            rtype: rtype.to_owned(),
            ttl: 5,
            data: data.to_owned(),
        };
        let answer = Answer {
            schema: SCHEMA,
            name: "vm1.example.org".to_owned(),
            records: vec![
                record("NID", "10 0214:4fff:fe20:ee64"),
                record("L64", "10 2001:0db8:000a:0000"),
            ],
            unanswered: vec!["vm1.example.org LP".to_owned()],
            verdict: "ilnp".to_owned(),
            nid: None,
            handle: Some("fd69:6c6e:7000:2627:214:4fff:fe20:ee64".parse().unwrap()),
            locators: vec!["2001:db8:a::/64".parse().unwrap()],
        };
        insta::assert_snapshot!(text(&answer), @r"
        NAME             TTL  TYPE  DATA
        vm1.example.org  5    NID   10 0214:4fff:fe20:ee64
        vm1.example.org  5    L64   10 2001:0db8:000a:0000
        nobody answered for vm1.example.org LP

        speaks ILNP: fd69:6c6e:7000:2627:214:4fff:fe20:ee64, at 2001:db8:a::/64
        ");
    }
}
