use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use push_proto::wire::Preferences;

/// `Prefer` field lines. What is read and written again is read the same; where nothing is quoted, several lines are
/// one list.
pub fn prefer(octets: &[u8]) {
    let lines: Vec<_> =
        octets.split(|octet| *octet == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let read = |lines: &[HeaderValue]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", line.clone());
        }
        Preferences::read(&headers)
    };
    let preferences = read(&lines);
    assert!(preferences.wait.is_none_or(|wait| wait <= Duration::from_secs(u64::from(u32::MAX))));

    let wait = preferences.wait.map(|wait| format!("wait={}", wait.as_secs()));
    let respond = preferences.respond_async.then(|| "respond-async".to_owned());
    let written = wait.into_iter().chain(respond).collect::<Vec<_>>().join(", ");
    assert_eq!(read(&[written.parse().unwrap()]), preferences, "what was written is read");

    if !octets.contains(&b'"') {
        let joined = lines.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
        assert_eq!(read(&[HeaderValue::from_bytes(&joined).unwrap()]), preferences, "RFC 9110 §5.3");
    }
}
