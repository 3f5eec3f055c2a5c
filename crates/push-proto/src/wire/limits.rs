//! Every bound of the HTTP mapping, by name (G5).

use push_crypto::vapid::DEFAULT_LEEWAY_SECS;

/// Bounds of one request. The header block as a whole is bounded by the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body; beyond it 413. Never below [`Limits::BODY_OCTETS_MIN`], whatever is set (`8030-7.2-5`, A-15).
    pub body_octets: usize,
    /// All content fields of a message together, since they are stored with it; beyond it 431.
    pub content_field_octets: usize,
    /// Seconds by which a sender's clock may differ.
    pub vapid_leeway_secs: u64,
    /// `Link` values of one request; beyond it 431.
    pub links: usize,
    /// `Prefer` field lines of one request; beyond it 431.
    pub prefer_lines: usize,
    /// Longest path; beyond it 404, since no resource has one.
    pub path_octets: usize,
}

impl Limits {
    /// A body of this size is never too large (RFC 8030 §7.2).
    pub const BODY_OCTETS_MIN: usize = 4096;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_octets: Self::BODY_OCTETS_MIN,
            content_field_octets: 1024,
            vapid_leeway_secs: DEFAULT_LEEWAY_SECS,
            links: 8,
            prefer_lines: 8,
            path_octets: 1000,
        }
    }
}
