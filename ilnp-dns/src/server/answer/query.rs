//! Answers to queries.

use crate::message::{Message, Question, Rcode};
use crate::record::{Class, Record};
use crate::server::zones::Serving;
use crate::zone::View;

/// Fills in what the zones say to a question.
pub(super) fn answer(serving: &Serving, question: &Question, response: &mut Message) {
    let Some(served) = serving.zone_above(&question.name) else {
        response.rcode = Rcode::REFUSED;
        return;
    };
    let zone = served.data.snapshot();
    let found = zone.look_up(question, serving.extras);
    response.rcode = found.rcode;
    response.authoritative = found.authoritative;
    let class = zone.class();
    add(&mut response.answers, &found.answers, class);
    add(&mut response.authorities, &found.authorities, class);
    add(&mut response.additionals, &found.glue, class);
    add(&mut response.additionals, &found.extras, class);
}

fn add(section: &mut Vec<Record>, views: &[View<'_>], class: Class) {
    section.extend(views.iter().flat_map(|view| view.records(class)));
}
