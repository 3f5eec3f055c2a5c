//! A service's own reason, in the forms that services have.

use alloc::{borrow::ToOwned, string::String};

use serde_json::{Map, Value};

/// What a push service says about an answer, in its own terms. All of it comes from the network: do not trust it, and
/// do not show it where it could do harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// A word for programs: the `reason` of Apple and of this project, Mozilla's `error`, the end of a problem's `type`
    /// (RFC 9457 §3.1.1).
    pub code: Option<String>,
    /// Mozilla's number.
    pub errno: Option<u64>,
    /// What is left for people; empty if the service says nothing.
    pub text: String,
}

impl Explanation {
    pub(super) fn of(reason: &[u8]) -> Self {
        match serde_json::from_slice(reason) {
            Ok(Value::Object(members)) => Self::of_members(&members),
            _ => Self { text: text_of(&String::from_utf8_lossy(reason)), ..Self::default() },
        }
    }

    fn of_members(members: &Map<String, Value>) -> Self {
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let kind = text("type").filter(|kind| kind != "about:blank");
        let problem = kind.and_then(|kind| kind.rsplit([':', '/', '#']).next().map(ToOwned::to_owned));
        let said = ["message", "detail", "title"].into_iter().find_map(text);
        Self {
            code: text("reason").or_else(|| text("error")).or(problem),
            errno: members.get("errno").and_then(Value::as_u64),
            text: said.unwrap_or_default(),
        }
    }
}

/// Of a page, its title.
fn text_of(said: &str) -> String {
    let said = said.trim();
    if !said.starts_with('<') {
        return said.to_owned();
    }
    let lower = said.to_ascii_lowercase();
    let title = lower.find("<title>").map(|at| at + "<title>".len());
    let title = title.and_then(|from| said.get(from..));
    title.and_then(|rest| rest.split('<').next()).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reason: &str) -> (Option<String>, Option<u64>, String) {
        let Explanation { code, errno, text } = Explanation::of(reason.as_bytes());
        (code, errno, text)
    }

    #[test]
    fn each_service_is_understood() {
        let code = |code: &str| Some(code.to_owned());
        let mozilla = r#"{"code":401,"errno":109,"error":"Unauthorized","more_info":"..","message":"VAPID"}"#;
        assert_eq!(of(mozilla), (code("Unauthorized"), Some(109), "VAPID".to_owned()));
        assert_eq!(of(r#"{"reason":"BadJwtToken"}"#), (code("BadJwtToken"), None, String::new()));
        let problem = r#"{"type":"urn:webpush:problem:too-many-messages","title":"Slow down","status":429}"#;
        assert_eq!(of(problem), (code("too-many-messages"), None, "Slow down".to_owned()));
        let ours =
            r#"{"type":"about:blank","title":"Gone","status":410,"detail":"It ended.","reason":"gone"}"#;
        assert_eq!(of(ours), (code("gone"), None, "It ended.".to_owned()));
        assert_eq!(of(" the key in the \n"), (None, None, "the key in the".to_owned()));
        let page = "<!DOCTYPE html><HTML><HEAD>\n<TITLE> UnauthorizedRegistration </TITLE></HEAD><BODY>x</BODY></HTML>";
        assert_eq!(of(page), (None, None, "UnauthorizedRegistration".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_text() {
        for (reason, text) in
            [("", ""), ("{", "{"), ("[1]", "[1]"), ("<p>", ""), ("<title>", ""), ("{\"a\":1}", "")]
        {
            assert_eq!(of(reason), (None, None, text.to_owned()), "{reason}");
        }
        assert_eq!(of(r#"{"reason":1,"errno":-1,"message":null}"#), (None, None, String::new()));
        assert_eq!(Explanation::of(b"\xff").text, "\u{fffd}");
    }
}
