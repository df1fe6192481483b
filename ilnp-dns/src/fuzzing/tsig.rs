//! Signatures and the files of keys.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::key::{Algorithm, TsigKey};
use crate::message::{Message, Opcode, Rcode};
use crate::tsig::{sign_request, verify_request};

/// When the signatures of the corpus were made.
const NOW: u64 = 1_800_000_000;

fn key() -> Arc<TsigKey> {
    let secret = Zeroizing::new(b"secret".to_vec());
    let name = "key.".parse().unwrap();
    Arc::new(TsigKey::new(name, Algorithm::HmacSha256, secret))
}

/// A request: whoever is believed has a key, and gets an answer that the client believes. Whatever is
/// refused gets an answer that can be read. The same octets as an answer are not believed.
pub fn tsig(data: &[u8]) {
    let mut answer = Message::request(7, Opcode::UPDATE);
    answer.response = true;
    let mut request = answer.to_wire(512);
    let mut verifier = sign_request(&mut request, &key(), NOW);
    assert!(verifier.verify(data, NOW).is_err());

    match verify_request(data, |_name| Some(key()), NOW) {
        Ok(None) => {}
        Ok(Some(mut signer)) => {
            let mut wire = answer.to_wire(512);
            signer.sign(&mut wire, NOW);
            assert_eq!(Message::from_wire(&wire), Ok(answer));
        }
        Err(refused) => {
            assert!([Rcode::NOTAUTH, Rcode::FORMERR].contains(&refused.rcode()));
            let mut wire = answer.to_wire(512);
            refused.attach(&mut wire);
            assert_eq!(Message::from_wire(&wire), Ok(answer));
        }
    }
}

/// The file of a key: a mistake is within the text.
pub fn tsig_key(data: &[u8]) {
    let text = str::from_utf8(data).unwrap_or_default();
    if let Err(mistake) = TsigKey::parse(text) {
        assert!(mistake.position.line <= text.matches('\n').count() + 1);
        assert!(mistake.position.column >= 1 && !mistake.message.is_empty());
    }
}
