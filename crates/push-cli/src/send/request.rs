//! `webpush send --dry-run`: what would be sent, without sending it.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;

use super::{Mold, identity, read_payload, read_subscription};
use crate::{
    args::SendArgs,
    error::{Error, Result},
    output,
};

/// Shows the request.
pub(super) fn show(args: &SendArgs) -> Result<()> {
    let to = read_subscription(args)?;
    let mold = Mold::of(args, read_payload(args)?);
    let vapid = identity(args)?;
    let now = push_tokio::system_clocks().wall;
    let request = mold.message(to).into_request(vapid.as_ref(), now);
    let request = request.map_err(|error| Error::failed(format!("there is no request: {error}")))?;
    output::line(&if args.curl { curl(&request) } else { head(&request) })
}

fn head(request: &http::Request<Bytes>) -> String {
    let mut text = format!("{} {}", request.method(), request.uri());
    for (name, value) in fields(request) {
        let _infallible = write!(text, "\n{name}: {value}");
    }
    let _infallible = write!(text, "\n\n({} octets, encrypted)", request.body().len());
    text
}

fn curl(request: &http::Request<Bytes>) -> String {
    let body = Base64::encode_string(request.body());
    let method = request.method();
    // A bracket or brace in a URL would be many URLs.
    let mut text = format!("printf %s {} | base64 -d | curl --globoff --request {method}", quoted(&body));
    if !request.headers().contains_key(http::header::CONTENT_TYPE) {
        // Else it says that the body is a form.
        text.push_str(" \\\n    --header 'Content-Type:'");
    }
    for (name, value) in fields(request) {
        let _infallible = write!(text, " \\\n    --header {}", quoted(&format!("{name}: {value}")));
    }
    let _infallible = write!(text, " \\\n    --data-binary @- {}", quoted(&request.uri().to_string()));
    text
}

fn fields(request: &http::Request<Bytes>) -> impl Iterator<Item = (&http::HeaderName, &str)> {
    request.headers().iter().filter_map(|(name, value)| value.to_str().ok().map(|value| (name, value)))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's; $(rm)"), r"'it'\''s; $(rm)'");
    }
}
