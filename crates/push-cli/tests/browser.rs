//! `webpush demo --browser`, by what a browser would ask of it. `interop/browser` opens it in a real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use support::{Folder, Running, Service, assert_fails, run, webpush};

/// The demo, and where it is.
struct Demo {
    process: Running,
    port: u16,
    key: String,
}

impl Demo {
    fn start(flags: &[&str]) -> Self {
        let words = ["demo", "--browser", "--port", "0"];
        let mut process = Running::start(webpush(words.into_iter().chain(flags.iter().copied())));
        let ready = process.line();
        let port = ready.strip_prefix("open http://localhost:").and_then(|rest| rest.split_once(' '));
        let port = port.unwrap_or_else(|| panic!("not ready: {ready:?}")).0.parse().unwrap();
        let key = process.line();
        let key = key.strip_prefix("VAPID key, made for this run: ").unwrap().to_owned();
        Self { process, port, key }
    }

    /// One request as written, and the whole response.
    fn raw(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // It may answer, and close, before it has read all.
        let _ = socket.write_all(request.as_bytes());
        let mut response = Vec::new();
        let _ = socket.read_to_end(&mut response);
        String::from_utf8(response).unwrap()
    }

    fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", self.port))
    }

    /// As the page does it.
    fn post(&self, path: &str, json: &str) -> String {
        let origin = format!("Origin: http://localhost:{}", self.port);
        self.post_with(path, &[&origin, "Content-Type: application/json"], json)
    }

    fn post_with(&self, path: &str, fields: &[&str], json: &str) -> String {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let (port, length) = (self.port, json.len());
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n{fields}\r\n{json}"
        ))
    }
}

#[track_caller]
fn assert_status(response: &str, status: u16) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "not {status}: {response}");
}

#[test]
fn everything_comes_from_here_and_nothing_is_kept() {
    let demo = Demo::start(&[]);
    for (path, kind) in [
        ("/", "text/html"),
        ("/icon.svg", "image/svg+xml"),
        ("/key", "application/json"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/worker.js", "text/javascript"),
    ] {
        let response = demo.get(path);
        assert_status(&response, 200);
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        for field in [
            format!("content-type: {kind}").as_str(),
            "content-security-policy: default-src 'none'; script-src 'self';",
            "frame-ancestors 'none'",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "connection: close",
        ] {
            assert!(head.contains(field), "{path}: {field:?} is not in {head}");
        }
        assert!(!body.replace("http://www.w3.org/2000/svg", "").contains("//www."), "{path}: from elsewhere");
    }
    assert!(demo.get("/key").ends_with(&format!("{{\"key\":\"{}\"}}", demo.key)));
    assert_status(&demo.get("/nothing"), 404);
    let host = format!("Host: 127.0.0.1:{}", demo.port);
    assert_status(&demo.raw(&format!("GET / HTTP/1.1\r\n{host}\r\n\r\n")), 200);
    assert_status(&demo.raw(&format!("PUT / HTTP/1.1\r\n{host}\r\n\r\n")), 405);
}

/// Neither by another name (DNS rebinding) nor from another page.
#[test]
fn only_the_page_itself_may_use_it() {
    let demo = Demo::start(&[]);
    let port = demo.port;
    for head in [
        "Host: evil.example".to_owned(),
        format!("Host: evil.example:{port}"),
        "Host: localhost".to_owned(),
        format!("Host: localhost.evil.example:{port}"),
        format!("Host: localhost:{port}\r\nHost: evil.example"),
        "X: without a host".to_owned(),
    ] {
        assert_status(&demo.raw(&format!("GET /key HTTP/1.1\r\n{head}\r\n\r\n")), 421);
    }
    let absolute = format!("GET http://evil.example/key HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    assert_status(&demo.raw(&absolute), 421);

    let event = r#"{"problem":"from elsewhere"}"#;
    let (json, ours) = ("Content-Type: application/json", format!("Origin: http://localhost:{port}"));
    for fields in [
        [json, "Origin: http://evil.example"],
        [json, "Origin: null"],
        [json, "X: without an origin"],
        [json, &format!("Origin: https://localhost:{port}")],
    ] {
        assert_status(&demo.post_with("/event", &fields, event), 403);
    }
    assert_status(&demo.post_with("/event", &[&ours, "Content-Type: text/plain"], event), 415);
    assert_status(&demo.post_with("/event", &[&ours], event), 415);
}

#[test]
fn bodies_have_a_limit_and_a_form() {
    let mut demo = Demo::start(&[]);
    let long = format!(r#"{{"problem":"{}"}}"#, "x".repeat(16 * 1024));
    assert_status(&demo.post("/event", &long), 413);
    let chunked = format!(
        "POST /event HTTP/1.1\r\nHost: localhost:{0}\r\nOrigin: http://localhost:{0}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{1:x}\r\n{long}\r\n0\r\n\r\n",
        demo.port,
        long.len(),
    );
    assert_status(&demo.raw(&chunked), 413);
    for (path, body) in [
        ("/event", "{"),
        ("/event", "[]"),
        ("/event", r#"{"problem":1}"#),
        ("/message", r#"{"problem":"x"}"#),
    ] {
        assert_status(&demo.post(path, body), 400);
    }
    assert_status(&demo.post("/nothing", "{}"), 404);
    assert_status(&demo.get(&format!("/{}", "x".repeat(64 * 1024))), 431);
    // Nothing of that was told; what is told has no power over the terminal, and is one line.
    assert_status(&demo.post("/event", r#"{"problem":"a\u001b[2J\nb"}"#), 200);
    assert_eq!(demo.process.line(), "the browser says: a\u{fffd}[2J b");
}

#[test]
fn a_browser_without_subscription_is_told_so() {
    let mut demo = Demo::start(&[]);
    let response = demo.post("/message", r#"{"text":"hello"}"#);
    assert_status(&response, 410);
    assert!(response.contains("subscribe this browser first"), "{response}");
    assert!(demo.process.line().contains("There is no subscription yet"));
    let response = demo.post("/subscription", r#"{"endpoint":"https://push.example"}"#);
    assert_status(&response, 400);
    assert!(response.contains("keys"), "{response}");
    assert!(demo.process.line().starts_with("the browser gave no usable subscription: "));
}

/// Whoever gives a subscription must not reach the networks of this machine with it.
#[test]
fn private_addresses_are_not_sent_to() {
    let mut demo = Demo::start(&[]);
    let subscription = r#"{"endpoint":"https://127.0.0.1:9/p/x","keys":{"auth":"BTBZMqHH6r4Tts7J_aSIgg",
        "p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"}}"#;
    assert_status(&demo.post("/subscription", subscription), 200);
    assert_eq!(demo.process.line(), "subscribed: the browser takes messages from https://127.0.0.1:9");
    let response = demo.post("/message", r#"{"text":"hello"}"#);
    assert_status(&response, 502);
    assert!(response.contains("Nothing was sent") && response.contains("--ca"), "{response}");
}

#[test]
fn a_message_goes_by_our_sender_and_the_demo_ends_in_order() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let ca = folder.text("data/dev/ca.pem");
    let mut demo = Demo::start(&["--ca", &ca]);
    let words = ["listen", "--url", &service.public_url, "--ca", &ca, "--json", "--vapid", &demo.key];
    let mut listen = Running::start(webpush(words));
    let line = listen.line();
    let subscription =
        line.strip_prefix("{\"subscription\":").and_then(|rest| rest.strip_suffix('}')).unwrap();

    assert_status(&demo.post("/subscription", subscription), 200);
    let told = demo.process.line();
    assert_eq!(told, format!("subscribed: the browser takes messages from {}", service.public_url));
    let response = demo.post("/message", r#"{"text":"Grüße"}"#);
    assert_status(&response, 200);
    assert!(response.contains("accepted the message"), "{response}");
    assert_eq!(listen.line(), r#"{"message":"Grüße"}"#);
    let told = demo.process.line();
    assert!(told.starts_with("message of 7 octets: ") && !told.contains("Gr"), "{told}");

    // It ends its subscription with it: the next message has nowhere to go.
    listen.signal("INT");
    assert_eq!(listen.exit_code(), Some(0));
    let response = demo.post("/message", r#"{"text":"again"}"#);
    assert_status(&response, 410);
    assert!(response.contains("has ended"), "{response}");
    assert!(demo.process.line().contains("has ended"));

    // Browsers open connections in advance: they are not waited for.
    let idle = TcpStream::connect(("127.0.0.1", demo.port)).unwrap();
    assert_status(&demo.get("/key"), 200);
    demo.process.signal("INT");
    assert!(demo.process.line().starts_with("ended; "));
    assert_eq!(demo.process.exit_code(), Some(0));
    drop(idle);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert_fails(&run(["demo", "--port", "8030"]), 2, &["--browser"]);
    assert_fails(&run(["demo", "--ca", "x.pem"]), 2, &["--browser"]);
    assert_fails(&run(["demo", "--browser", "--keep"]), 2, &["--keep"]);
    let demo = Demo::start(&[]);
    let port = demo.port.to_string();
    assert_fails(&run(["demo", "--browser", "--port", &port]), 1, &["something else listens", "--port"]);
}
