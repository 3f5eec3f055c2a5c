use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use push_proto::{
    ContentField, Refusal,
    service::Request,
    wire::{Admitted, BodyLimit, Door, Unremembered},
};

use crate::{
    fixture::{DOORS, NOW, ORIGIN},
    http_text::Head,
};

/// Any request at the service's door: let in or refused precisely, whatever the order of its fields, and whatever
/// fields come with it that mean nothing.
pub fn request(octets: &[u8]) {
    let (which, octets) = octets.split_first().map_or((0, octets), |(first, rest)| (*first, rest));
    let door = &DOORS[usize::from(which) % DOORS.len()];
    let head = Head::read(octets, door);
    let Some((method, uri)) = request_line(&head.first) else { return };
    let ask = |headers: HeaderMap| ask(door, &method, &uri, headers, &head.body);
    let answer = ask(head.headers());
    check(door, &answer, &head);

    assert_eq!(told(&answer), told(&ask(head.headers_in_another_order())), "the order of names matters");
    let mut more = head.headers();
    more.append("x-unknown", "anything, <at all>; rel=\"x\"".parse().unwrap());
    assert_eq!(told(&answer), told(&ask(more)), "an unknown field matters");
}

fn request_line(line: &[u8]) -> Option<(Method, Uri)> {
    let space = line.iter().position(|octet| *octet == b' ')?;
    let target = line[space + 1..].strip_prefix(ORIGIN.as_bytes()).unwrap_or(&line[space + 1..]);
    Some((Method::from_bytes(&line[..space]).ok()?, Uri::try_from(target).ok()?))
}

/// As a driver does it.
fn ask(
    door: &Door,
    method: &Method,
    uri: &Uri,
    headers: HeaderMap,
    body: &[u8],
) -> Result<(Admitted, Request), Refusal> {
    let mut request = http::Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers;
    let (head, ()) = request.into_parts();
    let admitted = door.admit(&head).inspect_err(|refusal| {
        assert!(matches!(refusal.status(), 404 | 405 | 413), "a head alone: {refusal}");
    })?;
    let body = match admitted.body_limit() {
        BodyLimit::Ignored => Bytes::new(),
        BodyLimit::AtMost(octets) if body.len() > octets => return Err(Refusal::BODY_TOO_LARGE),
        BodyLimit::AtMost(_) => Bytes::copy_from_slice(body),
    };
    let request = http::Request::from_parts(head, body);
    door.request(admitted, request, &mut Unremembered, NOW).map(|request| (admitted, request))
}

fn check(door: &Door, answer: &Result<(Admitted, Request), Refusal>, head: &Head) {
    match answer {
        Err(refusal) => {
            let status = refusal.status();
            assert!(matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 431), "{refusal}");
            assert!(!refusal.section().is_empty() && !refusal.detail().is_empty(), "{refusal}");
            let response = door.refuse(refusal, NOW);
            assert_eq!(response.status(), status);
            let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(problem["status"], status);
            assert_eq!(problem["reason"], refusal.reason());
        }
        Ok((_, Request::Send(send))) => {
            assert!(send.content.body.len() <= 4096, "G5");
            let octets: usize = send.content.fields.iter().map(|(_, value)| value.len()).sum();
            assert!(octets <= 1024, "G5");
            let vapid = |value: &[u8]| value.to_ascii_lowercase().windows(9).any(|part| part == b"p256ecdsa");
            for (field, value) in &send.content.fields {
                assert!(*field != ContentField::CryptoKey || !vapid(value), "8292-4.2-10");
            }
            let claims = head.fields.iter().any(|(name, _)| name == "authorization");
            assert!(send.sender.is_none() || claims, "nobody signed this");
        }
        Ok((_, Request::Subscribe(subscribe))) => {
            assert!(subscribe.restricted_to.is_none() || !head.body.is_empty(), "8292-4.1-1");
        }
        Ok((_, Request::Drop(_))) => panic!("an operator's request from a peer"),
        Ok((
            _,
            Request::Monitor(_) | Request::Acknowledge(_) | Request::Read(_) | Request::Unsubscribe(_),
        )) => {}
    }
}

fn told(answer: &Result<(Admitted, Request), Refusal>) -> String {
    match answer {
        Ok((_, request)) => {
            let content = if let Request::Send(send) = request { Some(&send.content) } else { None };
            let fields = content.map(|content| (&content.body, &content.fields));
            format!("{request:?} {fields:?}")
        }
        Err(refusal) => refusal.to_string(),
    }
}
