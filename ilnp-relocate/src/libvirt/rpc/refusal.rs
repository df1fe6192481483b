//! The reply to a call that is not let through, as libvirt writes its own errors, so that whoever
//! types `virsh` reads why.

use super::frame::Frame;
use super::xdr::{Malformed, Reader, Writer};

/// `VIR_ERR_OPERATION_INVALID`.
const OPERATION_INVALID: u32 = 55;
/// `VIR_FROM_RPC`.
const FROM_RPC: u32 = 7;
/// `VIR_ERR_ERROR`.
const ERROR: u32 = 2;

/// Answers `call` with an error (`remote_error` of `virnetprotocol.x`).
pub(super) fn of(call: &Frame, why: &str) -> Result<Frame, Malformed> {
    let mut body = Writer::default();
    body.word(OPERATION_INVALID);
    body.word(FROM_RPC);
    optional(&mut body, Some(why))?;
    body.word(ERROR);
    body.word(0); // no domain
    for text in [Some(why), None, None] {
        optional(&mut body, text)?;
    }
    body.word(0);
    body.word(0);
    body.word(0); // no network
    Ok(call.refusal(&body.finish()))
}

/// What a reply says of why it was not done.
pub(super) fn reason(reply: &Frame) -> String {
    let mut body = Reader::new(reply.body());
    let message = |body: &mut Reader<'_>| {
        let _code = body.word()?;
        let _from = body.word()?;
        match body.word()? {
            0 => Ok(None),
            _ => body.string().map(|text| Some(text.to_owned())),
        }
    };
    message(&mut body)
        .unwrap_or_else(|malformed: Malformed| Some(malformed.to_string()))
        .unwrap_or_else(|| "libvirt does not say why".to_owned())
}

fn optional(body: &mut Writer, text: Option<&str>) -> Result<(), Malformed> {
    body.word(u32::from(text.is_some()));
    text.map_or(Ok(()), |text| body.opaque(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::frame::tests::call;
    use super::*;

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(
            reason(&of(&call(303, &[]), "not here").unwrap()),
            "not here"
        );
        assert_eq!(reason(&call(303, &[0; 12])), "libvirt does not say why");
        assert!(reason(&call(303, &[0; 3])).contains("malformed"));
    }
}
