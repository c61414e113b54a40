//! Private keys, encrypted as Go's `x509.EncryptPEMBlock` does it with AES-256: that is the form which Tyk reads. The key
//! of the cipher is made of the secret by MD5, as OpenSSL once did. Source: Go, `crypto/x509/pem_decrypt.go`.

use aes::Aes256;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use md5::{Digest, Md5};
use ring::rand::{SecureRandom, SystemRandom};

use crate::armor::Block;

/// The label of an encrypted key.
const LABEL: &str = "ENCRYPTED PRIVATE KEY";
const CIPHER: &str = "AES-256-CBC";
/// Says how a block is encrypted.
const INFO: &str = "DEK-Info";
/// Bytes that are encrypted at once, and random ones before the first of them.
const BLOCK: usize = 16;
/// Bytes of the random ones that the secret is mixed with.
const SALT: usize = 8;

/// A key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Another cipher, or what is no encrypted key.
    Form,
    /// Another secret.
    Secret,
}

/// The system has no random numbers to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(crate) struct NoRandomness;

/// Whether a block says that it is encrypted.
pub(super) fn is_sealed(block: &Block) -> bool {
    block.header(INFO).is_some()
}

/// Encrypts a private key.
///
/// # Errors
/// When there are no random numbers.
pub(super) fn seal(key: &[u8], secret: &str) -> Result<Block, NoRandomness> {
    let mut vector = [0; BLOCK];
    SystemRandom::new().fill(&mut vector).map_err(|_| NoRandomness)?;
    Ok(seal_with(key, secret, &vector))
}

fn seal_with(key: &[u8], secret: &str, vector: &[u8; BLOCK]) -> Block {
    // As many bytes as are added say so themselves; there is always one.
    let padding = BLOCK - key.len() % BLOCK;
    let mut der = key.to_vec();
    der.resize(key.len() + padding, u8::try_from(padding).unwrap_or_default());
    let mut cipher = Encryptor::<Aes256>::new(&cipher_key(secret, vector).into(), &(*vector).into());
    for block in der.as_chunks_mut::<BLOCK>().0 {
        cipher.encrypt_block(block.into());
    }
    let vector: String = vector.iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [("Proc-Type", "4,ENCRYPTED".to_owned()), (INFO, format!("{CIPHER},{vector}"))];
    Block { label: LABEL.to_owned(), headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), der }
}

/// The private key in a block.
///
/// # Errors
/// When it is encrypted in another form, or with another secret.
pub(super) fn open(block: &Block, secret: &str) -> Result<Vec<u8>, Closed> {
    let (cipher, digits) = block.header(INFO).and_then(|info| info.split_once(',')).ok_or(Closed::Form)?;
    let vector = vector(digits.trim()).filter(|_| cipher.trim() == CIPHER).ok_or(Closed::Form)?;
    let mut der = block.der.clone();
    if der.is_empty() || !der.len().is_multiple_of(BLOCK) {
        return Err(Closed::Form);
    }
    let mut cipher = Decryptor::<Aes256>::new(&cipher_key(secret, &vector).into(), &vector.into());
    for block in der.as_chunks_mut::<BLOCK>().0 {
        cipher.decrypt_block(block.into());
    }
    let padding = usize::from(der.last().copied().unwrap_or_default());
    let length = der.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding)).ok_or(Closed::Secret)?;
    if der[length..].iter().any(|byte| usize::from(*byte) != padding) {
        return Err(Closed::Secret);
    }
    der.truncate(length);
    Ok(der)
}

fn vector(digits: &str) -> Option<[u8; BLOCK]> {
    let mut vector = [0; BLOCK];
    if digits.len() != 2 * BLOCK || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in vector.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(vector)
}

/// What the secret gives for a block: digests of each other, as long as the cipher's key.
fn cipher_key(secret: &str, vector: &[u8; BLOCK]) -> [u8; 2 * BLOCK] {
    let salt = &vector[..SALT];
    let first = Md5::new().chain_update(secret).chain_update(salt).finalize();
    let second = Md5::new().chain_update(first).chain_update(secret).chain_update(salt).finalize();
    let mut key = [0; 2 * BLOCK];
    key[..BLOCK].copy_from_slice(&first);
    key[BLOCK..].copy_from_slice(&second);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::armor::blocks;
    use crate::tls::testing::KEYS;

    #[test]
    fn what_is_sealed_opens_with_its_secret_alone() {
        for length in [0, 1, 15, 16, 17, 121] {
            let key = vec![9; length];
            let block = seal(&key, "352d20ee67be67f6340b4c0605b044b7").expect("random numbers");
            assert_eq!(block.label, LABEL);
            assert_eq!(open(&block, "352d20ee67be67f6340b4c0605b044b7"), Ok(key.clone()), "{length}");
            assert_ne!(open(&block, "other"), Ok(key), "{length}");
        }
        assert_ne!(seal(b"k", "s"), seal(b"k", "s"), "no two are alike");
    }

    #[test]
    fn a_key_that_openssl_encrypted_opens_and_is_encrypted_alike() {
        let sealed = blocks(include_str!("testdata/sealed.key")).remove(0);
        let plain = blocks(KEYS[0].1).into_iter().find(|block| block.label == "EC PRIVATE KEY").expect("the same key");
        assert_eq!(open(&sealed, "secret").as_ref(), Ok(&plain.der));
        let (_, digits) = sealed.header(INFO).and_then(|info| info.split_once(',')).expect("as OpenSSL writes it");
        let again = seal_with(&plain.der, "secret", &vector(digits).expect("hexadecimal digits"));
        assert_eq!(again.der, sealed.der);
        assert_eq!(again.headers[0], ("Proc-Type".to_owned(), "4,ENCRYPTED".to_owned()));
    }

    #[test]
    fn another_form_is_told_from_another_secret() {
        let block = seal(b"key", "s").expect("random numbers");
        let with = |info: &str, der: &[u8]| {
            let headers = vec![(INFO.to_owned(), info.to_owned())];
            Block { label: LABEL.to_owned(), headers, der: der.to_vec() }
        };
        let info = block.header(INFO).expect("one").to_owned();
        for other in [
            with("DES-EDE3-CBC,0011223344556677", &block.der),
            with("AES-256-CBC", &block.der),
            with("AES-256-CBC,00", &block.der),
            with(&info.replace(|c: char| c.is_ascii_digit(), "ж"), &block.der),
            with(&info, &block.der[..15]),
            with(&info, &[]),
            Block::plain("PRIVATE KEY", &block.der),
        ] {
            assert_eq!(open(&other, "s"), Err(Closed::Form), "{other:?}");
        }
    }
}
