//! What a MAC covers (RFC 8945 §4.3).

use ring::hmac::Context;

use super::record::{Timers, Tsig};
use crate::key::TsigKey;

/// The MAC of a request, of an answer's first message (`prior`: the request's MAC), or of an error.
pub(super) fn whole(key: &TsigKey, prior: Option<&[u8]>, message: &[u8], tsig: &Tsig) -> Vec<u8> {
    let mut context = key.begin();
    if let Some(prior) = prior {
        add_prior(&mut context, prior);
    }
    context.update(message);
    add_variables(&mut context, tsig);
    finish(context)
}

/// The MAC of a later message of an answer (RFC 8945 §5.3.1). `running` began with the MAC before,
/// and has had the unsigned messages since.
pub(super) fn later(mut running: Context, message: &[u8], timers: Timers) -> Vec<u8> {
    running.update(message);
    running.update(&timers.wire());
    finish(running)
}

/// Begins the MAC of a later message.
pub(super) fn running(key: &TsigKey, prior: &[u8]) -> Context {
    let mut context = key.begin();
    add_prior(&mut context, prior);
    context
}

fn finish(context: Context) -> Vec<u8> {
    context.sign().as_ref().to_vec()
}

fn add_prior(context: &mut Context, mac: &[u8]) {
    let length = u16::try_from(mac.len()).unwrap_or(u16::MAX);
    context.update(&length.to_be_bytes());
    context.update(mac);
}

/// The TSIG variables (§4.3.3), names in lower case.
fn add_variables(context: &mut Context, tsig: &Tsig) {
    context.update(&tsig.key.wire().to_ascii_lowercase());
    // Class ANY and TTL 0.
    context.update(&[0, 255, 0, 0, 0, 0]);
    context.update(&tsig.algorithm.to_ascii_lowercase());
    context.update(&tsig.timers.wire());
    context.update(&tsig.error.0.to_be_bytes());
    let length = u16::try_from(tsig.other.len()).unwrap_or(u16::MAX);
    context.update(&length.to_be_bytes());
    context.update(&tsig.other);
}
