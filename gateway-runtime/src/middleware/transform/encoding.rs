//! Bodies that an upstream has compressed: gzip, and deflate without the head of zlib, as Go writes it.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{DeflateDecoder, GzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};

/// # Errors
/// When it is not compressed as it says, or comes to more than `largest` bytes.
pub(super) fn decoded(body: &[u8], encoding: &str, largest: usize) -> Result<Vec<u8>, String> {
    match encoding {
        "gzip" => whole(GzDecoder::new(body), largest),
        "deflate" => whole(DeflateDecoder::new(body), largest),
        _ => Ok(body.to_vec()),
    }
}

fn whole(compressed: impl Read, largest: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let most = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(1);
    compressed.take(most).read_to_end(&mut body).map_err(|error| error.to_string())?;
    if body.len() > largest { Err(format!("it is larger than {largest} bytes")) } else { Ok(body) }
}

pub(super) fn encoded(body: Vec<u8>, encoding: &str) -> Vec<u8> {
    const IN_MEMORY: &str = "there is room in memory";
    match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).and_then(|()| encoder.finish()).expect(IN_MEMORY)
        }
        "deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).and_then(|()| encoder.finish()).expect(IN_MEMORY)
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_read_and_compressed_again() {
        for encoding in ["gzip", "deflate", "", "br"] {
            let body = encoded(b"{\"a\": 1}".to_vec(), encoding);
            assert_eq!(decoded(&body, encoding, 8).expect("as it was"), b"{\"a\": 1}", "{encoding}");
        }
        assert!(decoded(b"{}", "gzip", 8).is_err());
    }

    #[test]
    fn what_grows_too_large_is_not_read_to_its_end() {
        let bomb = encoded(vec![b' '; 8_000_001], "gzip");
        assert!(bomb.len() < 100_000 && decoded(&bomb, "gzip", 8_000_000).is_err());
    }
}
