//! base64url as the standards want it (strict), and as the world sends it (lenient): A-22.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroize;

/// Unpadded base64url.
pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Unpadded, canonical base64url; nothing else.
pub(crate) fn decode_strict(text: &[u8]) -> Option<Vec<u8>> {
    let text = core::str::from_utf8(text).ok()?;
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// As strict, but padding, the standard alphabet and surrounding ASCII white space are forgiven.
///
/// The characters are mapped one by one, without a table and without a branch on their value.
pub(crate) fn decode_lenient(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes().trim_ascii();
    let bytes = bytes.strip_suffix(b"=").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"=").unwrap_or(bytes);
    let mut mapped: Vec<u8> = bytes.iter().map(|&octet| to_url_alphabet(octet)).collect();
    let decoded = decode_strict(&mapped);
    mapped.zeroize();
    decoded
}

/// `+` becomes `-` and `/` becomes `_`; every other octet stays.
fn to_url_alphabet(octet: u8) -> u8 {
    let plus = 0u8.wrapping_sub(u8::from(octet == b'+'));
    let slash = 0u8.wrapping_sub(u8::from(octet == b'/'));
    (octet & !(plus | slash)) | (b'-' & plus) | (b'_' & slash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgives_padding_and_alphabet_only_when_lenient() {
        assert_eq!(decode_lenient("+/8="), Some(alloc::vec![0xfb, 0xff]));
        assert_eq!(decode_lenient(" -_8\n"), Some(alloc::vec![0xfb, 0xff]));
        assert_eq!(decode_strict(b"-_8"), Some(alloc::vec![0xfb, 0xff]));
        for bad in ["-_8=", "+/8", "-_9", "-", "-_8 ", "é"] {
            assert_eq!(decode_strict(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["-_8===", "-_9", "A", "=", "a b", "é"] {
            let empty = decode_lenient(bad).is_some_and(|bytes| bytes.is_empty());
            assert!(empty || decode_lenient(bad).is_none(), "{bad}");
        }
    }
}
