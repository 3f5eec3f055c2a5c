//! Resolving URI references (RFC 3986 §5.2): targets of links may be relative (`8030-4-3`, A-17).

use http::Uri;

/// The http or https URL that `reference` means where `base` is the URL of the request, without its fragment. None if
/// it is no such URL.
///
/// ```
/// # use push_proto::wire::resolve;
/// let base = "https://push.example.net/subscribe".parse().unwrap();
/// assert_eq!(resolve(&base, "/p/abc").unwrap(), "https://push.example.net/p/abc");
/// assert_eq!(resolve(&base, "../p/./abc#x").unwrap(), "https://push.example.net/p/abc");
/// assert_eq!(resolve(&base, "mailto:push@example.net"), None);
/// ```
#[must_use]
pub fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (scheme, rest) = match scheme(reference) {
        Some((scheme, rest)) => (scheme, rest),
        None => (base.scheme_str()?, reference),
    };
    let web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    if !web {
        return None;
    }
    if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        return build(scheme, authority, rest);
    }
    if rest.len() != reference.len() {
        return None; // `https:path` has no authority.
    }
    let authority = base.authority()?.as_str();
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let mut whole = if path.is_empty() {
        base.path().to_owned()
    } else if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{path}")
    };
    if let Some(query) = query.or_else(|| base.query().filter(|_| path.is_empty())) {
        whole = format!("{whole}?{query}");
    }
    build(scheme, authority, &whole)
}

/// The scheme and what follows its colon.
fn scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let legal = scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'));
    (legal && scheme.starts_with(|first: char| first.is_ascii_alphabetic())).then_some((scheme, rest))
}

fn build(scheme: &str, authority: &str, path_and_query: &str) -> Option<Uri> {
    // User information in a capability URL is either a mistake or a trick.
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    let path = without_dots(path);
    let path_and_query = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path_and_query).build().ok()
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}
