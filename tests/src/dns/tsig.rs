//! Signatures (RFC 8945), by the letter of its §4.3 and §5.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use ring::hmac;

use super::{class, compose, rtype};
use crate::name_servers::Key;

const FUDGE: u16 = 300;
/// Where the number of additional records is.
const ADDITIONAL: usize = 10;

/// A key that is ready to sign.
#[derive(Debug)]
pub struct Signer {
    name: String,
    algorithm: String,
    key: hmac::Key,
}

impl Signer {
    /// Of a key.
    ///
    /// # Errors
    /// For a secret that is not Base64, and an algorithm that is not used here.
    pub fn new(key: &Key) -> anyhow::Result<Self> {
        let algorithm = match key.algorithm.as_str() {
            "hmac-sha256" => hmac::HMAC_SHA256,
            "hmac-sha384" => hmac::HMAC_SHA384,
            "hmac-sha512" => hmac::HMAC_SHA512,
            other => anyhow::bail!("no signatures by {other}"),
        };
        Ok(Self {
            name: key.name.to_lowercase(),
            algorithm: key.algorithm.clone(),
            key: hmac::Key::new(algorithm, &base64(&key.secret)?),
        })
    }

    /// Signs a request as of now, and returns the MAC.
    pub fn sign(&self, message: &mut Vec<u8>) -> Vec<u8> {
        self.sign_at(message, now())
    }

    /// Signs a request as of a time in seconds since 1970, and returns the MAC.
    pub fn sign_at(&self, message: &mut Vec<u8>, time: u64) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(message);
        context.update(&self.variables(time, FUDGE, 0, &[]));
        let mac = context.sign().as_ref().to_vec();

        let mut rdata = compose::name(&self.algorithm);
        rdata.extend(&time.to_be_bytes()[2..]);
        rdata.extend(FUDGE.to_be_bytes());
        rdata.extend(size(&mac));
        rdata.extend(&mac);
        rdata.extend([message[0], message[1]]);
        rdata.extend([0, 0, 0, 0]);
        let record = compose::record(&self.name, rtype::TSIG, class::ANY, 0, &rdata);
        message.extend(record);
        add_to_additional(message, 1);
        mac
    }

    /// Checks the signature of an answer, given the MAC of the request. The record must be the last
    /// one, and uncompressed, as all servers write it.
    ///
    /// # Errors
    /// When there is no signature, or a wrong one.
    pub fn verify(&self, message: &[u8], request: &[u8]) -> anyhow::Result<()> {
        let owner = compose::name(&self.name);
        let start = message
            .windows(owner.len() + 2)
            .rposition(|part| {
                part[..owner.len()].eq_ignore_ascii_case(&owner)
                    && part[owner.len()..] == rtype::TSIG.to_be_bytes()
            })
            .context("no signature by this key")?;
        let fixed = start + owner.len() + 10;
        let rest = message.get(fixed..).context("cut short")?;
        let rest = rest
            .get(compose::name(&self.algorithm).len()..)
            .context("cut short")?;
        ensure!(rest.len() >= 10, "cut short");
        let time = rest[..6]
            .iter()
            .fold(0, |time, &octet| (time << 8) | u64::from(octet));
        let fudge = u16::from_be_bytes([rest[6], rest[7]]);
        let length = usize::from(u16::from_be_bytes([rest[8], rest[9]]));
        let (mac, behind) = rest[10..].split_at_checked(length).context("cut short")?;
        ensure!(behind.len() >= 6, "cut short");
        let error = u16::from_be_bytes([behind[2], behind[3]]);

        let mut signed = message[..start].to_vec();
        signed[..2].copy_from_slice(&behind[..2]);
        add_to_additional(&mut signed, -1);
        let mut digest = size(request).to_vec();
        digest.extend(request);
        digest.extend(signed);
        digest.extend(self.variables(time, fudge, error, &behind[6..]));
        let verified = hmac::verify(&self.key, &digest, mac);
        verified
            .ok()
            .context("the signature of the answer is wrong")
    }

    /// What is signed besides the message (§4.3.3).
    fn variables(&self, time: u64, fudge: u16, error: u16, other: &[u8]) -> Vec<u8> {
        let mut wire = compose::name(&self.name);
        wire.extend(class::ANY.to_be_bytes());
        wire.extend([0; 4]);
        wire.extend(compose::name(&self.algorithm));
        wire.extend(&time.to_be_bytes()[2..]);
        wire.extend(fudge.to_be_bytes());
        wire.extend(error.to_be_bytes());
        wire.extend(size(other));
        wire.extend(other);
        wire
    }
}

/// Seconds since 1970.
///
/// # Panics
/// When the clock is before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

fn size(octets: &[u8]) -> [u8; 2] {
    u16::try_from(octets.len())
        .expect("a short field")
        .to_be_bytes()
}

fn add_to_additional(message: &mut [u8], difference: i16) {
    let place = &mut message[ADDITIONAL..ADDITIONAL + 2];
    let count = u16::from_be_bytes([place[0], place[1]]);
    place.copy_from_slice(&count.wrapping_add_signed(difference).to_be_bytes());
}

fn base64(text: &str) -> anyhow::Result<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut octets = vec![];
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|&known| known == character);
        let value = u32::try_from(value.context("not Base64")?)?;
        bits = (bits << 6 | value) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff)?);
        }
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        for (text, octets) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
        ] {
            assert_eq!(base64(text).unwrap(), octets.as_bytes(), "{text}");
        }
        assert!(base64("Zm9*").is_err());
    }
}
