//! The proof that whoever renews a sign-in has its key (DPoP, RFC 9449): a token that is signed with
//! ES256. OpenSSL signs it, where TLS is OpenSSL's.

use std::time::SystemTime;

use crate::protocol::record::Nonce;

/// A proof for one POST to `url`. `None` if `pem` is no key on the curve P-256, or if it cannot be used.
#[cfg(not(any(target_os = "windows", target_vendor = "apple")))]
pub(super) fn proof(pem: &str, url: &str, now: SystemTime, id: Nonce) -> Option<String> {
    // A fork in the meantime could leave OpenSSL's locks taken in the child.
    let _section = crate::sys::forks::Section::begin();
    with_openssl::proof(pem, &claims(url, now, id)).ok()
}

/// The same without OpenSSL.
#[cfg(any(target_os = "windows", target_vendor = "apple"))]
pub(super) fn proof(_: &str, _: &str, _: SystemTime, _: Nonce) -> Option<String> {
    None
}

/// Whether this program can make proofs.
pub(super) const IS_POSSIBLE: bool = cfg!(not(any(target_os = "windows", target_vendor = "apple")));

#[cfg(not(any(target_os = "windows", target_vendor = "apple")))]
fn claims(url: &str, now: SystemTime, id: Nonce) -> serde_json::Value {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    serde_json::json!({
        "htm": "POST",
        "htu": url,
        "iat": since.unwrap_or_default().as_secs(),
        "jti": uuid(id),
    })
}

/// Random bits as a UUID of version 4.
#[cfg(not(any(target_os = "windows", target_vendor = "apple")))]
fn uuid(Nonce(bits): Nonce) -> String {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    parts.join("-")
}

#[cfg(not(any(target_os = "windows", target_vendor = "apple")))]
mod with_openssl {
    use openssl::bn::{BigNum, BigNumContext};
    use openssl::ec::EcKey;
    use openssl::ecdsa::EcdsaSig;
    use openssl::error::ErrorStack;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::sha::sha256;
    use serde_json::{Value, json};

    /// The length of a coordinate, and of each half of a signature.
    const LENGTH: i32 = 32;

    pub(super) fn proof(pem: &str, claims: &Value) -> Result<String, ErrorStack> {
        let key = key(pem)?;
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": public(&key)?});
        let [header, claims] = [&header, claims].map(|json| base64(json.to_string().as_bytes()));
        let signed = format!("{header}.{claims}");
        let signature = EcdsaSig::sign(&sha256(signed.as_bytes()), &key)?;
        let mut halves = signature.r().to_vec_padded(LENGTH)?;
        halves.extend(signature.s().to_vec_padded(LENGTH)?);
        Ok(format!("{signed}.{}", base64(&halves)))
    }

    fn key(pem: &str) -> Result<EcKey<Private>, ErrorStack> {
        // Without the callback, OpenSSL would ask the terminal for the password of an encrypted key.
        let key = PKey::private_key_from_pem_callback(pem.as_bytes(), |_| Ok(0))?.ec_key()?;
        match key.group().curve_name() {
            Some(Nid::X9_62_PRIME256V1) => Ok(key),
            _ => Err(ErrorStack::get()),
        }
    }

    /// The public key in JSON.
    fn public(key: &EcKey<Private>) -> Result<Value, ErrorStack> {
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = BigNumContext::new()?;
        let point = key.public_key();
        point.affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
        let [x, y] = [&x, &y].map(|c| c.to_vec_padded(LENGTH));
        Ok(json!({"kty": "EC", "crv": "P-256", "x": base64(&x?), "y": base64(&y?)}))
    }

    /// The variant for URLs, without padding.
    fn base64(bytes: &[u8]) -> String {
        base64::encode_config(bytes, base64::URL_SAFE_NO_PAD)
    }
}

#[cfg(all(test, not(any(target_os = "windows", target_vendor = "apple"))))]
mod tests {
    use std::time::Duration;

    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::ecdsa::EcdsaSig;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::sha::sha256;
    use serde_json::Value;

    use super::*;

    fn key(curve: Nid) -> EcKey<Private> {
        EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()
    }

    fn sec1(key: &EcKey<Private>) -> String {
        String::from_utf8(key.private_key_to_pem().unwrap()).unwrap()
    }

    fn proof_by(pem: &str) -> Option<String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_489_600);
        proof(pem, "https://sign.in/v1/token", now, Nonce(u128::MAX))
    }

    fn decoded(part: &str) -> Vec<u8> {
        base64::decode_config(part, base64::URL_SAFE_NO_PAD).unwrap()
    }

    fn number(bytes: &[u8]) -> BigNum {
        BigNum::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_proof_is_signed_with_the_key_that_it_names() {
        let own = key(Nid::X9_62_PRIME256V1);
        let pkcs8 = PKey::from_ec_key(own.clone()).unwrap();
        let pkcs8 = String::from_utf8(pkcs8.private_key_to_pem_pkcs8().unwrap()).unwrap();
        for pem in [sec1(&own), pkcs8] {
            let proof = proof_by(&pem).unwrap();
            let (signed, signature) = proof.rsplit_once('.').unwrap();
            let (header, claims) = signed.split_once('.').unwrap();
            let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
            assert_eq!(
                (&header["typ"], &header["alg"]),
                (&"dpop+jwt".into(), &"ES256".into())
            );
            let coordinate = |name: &str| number(&decoded(header["jwk"][name].as_str().unwrap()));
            let (x, y) = (coordinate("x"), coordinate("y"));
            let named = EcKey::from_public_key_affine_coordinates(own.group(), &x, &y).unwrap();
            let signature = decoded(signature);
            assert_eq!(signature.len(), 64);
            let (r, s) = signature.split_at(32);
            let signature = EcdsaSig::from_private_components(number(r), number(s)).unwrap();
            assert!(
                signature
                    .verify(&sha256(signed.as_bytes()), &named)
                    .unwrap()
            );
            let claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
            assert_eq!(claims["htm"], "POST");
            assert_eq!(claims["htu"], "https://sign.in/v1/token");
            assert_eq!(claims["iat"], 1_764_489_600);
            assert_eq!(claims["jti"], "ffffffff-ffff-4fff-bfff-ffffffffffff");
        }
    }

    #[test]
    fn a_key_of_another_kind_makes_no_proof() {
        assert_eq!(proof_by(&sec1(&key(Nid::SECP384R1))), None);
        assert_eq!(proof_by("no key"), None);
        let encrypted = PKey::from_ec_key(key(Nid::X9_62_PRIME256V1)).unwrap();
        let cipher = openssl::symm::Cipher::aes_128_cbc();
        let pem = encrypted.private_key_to_pem_pkcs8_passphrase(cipher, b"x");
        assert_eq!(proof_by(&String::from_utf8(pem.unwrap()).unwrap()), None);
    }
}
