//! `webpush doctor` through the real binary, at services that are well, and behind what breaks a hop.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails loudly, its helpers too"
)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Output,
    thread,
};

use serde_json::Value;
use support::{Folder, Running, Service, assert_fails, run, stderr, stdout, webpush};

/// Hop and state of each line.
fn hops(output: &Output) -> Vec<(String, String)> {
    let one = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["said"].is_string());
        assert_eq!(line["do"].is_null(), line["state"] == "ok", "{line}");
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("hop"), text("state"))
    };
    stdout(output).lines().map(one).collect()
}

fn state_of(output: &Output, hop: &str) -> String {
    let found = hops(output).into_iter().find(|(name, _)| name == hop);
    found.map(|(_, state)| state).unwrap_or_default()
}

const ALL: [&str; 14] = [
    "connect",
    "health",
    "subscribe",
    "send",
    "server push",
    "event stream",
    "acknowledge",
    "receipts",
    "unsubscribe",
    "WebSocket",
    "register",
    "notification",
    "reconnect",
    "unregister",
];

#[test]
fn all_is_well() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let ca = folder.text("data/dev/ca.pem");
    let walked = run(["doctor", &service.public_url, "--ca", &ca, "--json"]);
    assert_eq!(walked.status.code(), Some(0), "{}{}", stdout(&walked), stderr(&walked));
    let well = ALL.map(|hop| (hop.to_owned(), "ok".to_owned()));
    assert_eq!(hops(&walked), well);
    assert!(stdout(&walked).contains("HTTP/2") && stdout(&walked).contains("clocks agree"));
    assert!(stdout(&walked).contains("HTTP/2 offers it too (RFC 8441)"), "{}", stdout(&walked));

    let told = run(["doctor", &service.public_url, "--ca", &ca]);
    assert_eq!(told.status.code(), Some(0), "{}", stdout(&told));
    assert!(stdout(&told).starts_with("ok       connect "), "{}", stdout(&told));
    for text in [stdout(&walked), stdout(&told)] {
        assert!(!["/m/", "/p/", "/s/", "/r/"].iter().any(|kind| text.contains(kind)), "a capability: {text}");
    }
}

#[test]
fn all_is_well_without_tls_and_below_a_prefix() {
    let folder = Folder::new();
    // The port has to be known before: the public URL names it.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/push");
    let flags = format!("--dev --cleartext --runtime smol --public-url {url}");
    let _service = Service::start_at(&folder.path("data"), &format!("127.0.0.1:{port}"), &flags);
    let walked = run(["doctor", &url, "--json"]);
    assert_eq!(walked.status.code(), Some(0), "{}{}", stdout(&walked), stderr(&walked));
    assert!(hops(&walked).iter().all(|(_, state)| state == "ok"), "{}", stdout(&walked));
}

/// What was told of a hop, as one line.
fn told<'a>(output: &'a Output, hop: &str) -> &'a str {
    let told = stdout(output).lines().find(|line| line.contains(&format!("\"hop\":\"{hop}\"")));
    told.unwrap_or_else(|| panic!("no hop {hop}: {}", stdout(output)))
}

#[test]
fn the_websocket_is_where_the_service_has_it() {
    for (of_service, flags, state, says) in [
        ("--websocket-path push/ws", "--websocket-path /push/ws", "ok", "101 by"),
        ("--websocket-path push/ws", "", "warning", "name it with --websocket-path"),
        ("--websocket-path push/ws", "--websocket-path push", "broken", "see its websocket-path"),
        ("--no-websocket", "", "warning", "say --no-websocket"),
        ("--no-websocket", "--websocket-path push/ws", "broken", "see its websocket-path"),
    ] {
        let folder = Folder::new();
        let service = Service::start(&folder.path("data"), &format!("--dev --cleartext {of_service}"));
        let words = ["doctor", &service.public_url, "--json"].into_iter().chain(flags.split_whitespace());
        let walked = run(words);
        let broken = i32::from(state == "broken");
        assert_eq!(walked.status.code(), Some(broken), "{of_service} {flags}: {}", stdout(&walked));
        assert_eq!(state_of(&walked, "WebSocket"), state, "{of_service} {flags}: {}", stdout(&walked));
        assert!(told(&walked, "WebSocket").contains(says), "{of_service} {flags}: {}", stdout(&walked));
        let register = if state == "ok" { "ok" } else { "" };
        assert_eq!(state_of(&walked, "register"), register, "{of_service} {flags}");
    }
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev --cleartext --no-websocket");
    let walked = run(["doctor", &service.public_url, "--json", "--no-websocket"]);
    assert_eq!(walked.status.code(), Some(0), "{}", stdout(&walked));
    let well: Vec<_> = ALL[..9].iter().map(|hop| ((*hop).to_owned(), "ok".to_owned())).collect();
    assert_eq!(hops(&walked), well);
}

/// What the service still had of a walk when it was stopped.
#[track_caller]
fn left(folder: &Folder, mut service: Service) -> String {
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
    let data = folder.text("data");
    assert!(run(["rotate-key", "--data", &data]).status.success());
    let retired = run(["rotate-key", "--data", &data, "--retire", "0", "--force"]);
    assert!(retired.status.success(), "{}", stderr(&retired));
    let (_, left) = stdout(&retired).split_once("next start on: ").unwrap();
    left.trim_end().to_owned()
}

const NOTHING: &str =
    "user agents: 0, subscriptions: 0, receipt subscriptions: 0, messages and receipts that wait: 0";
/// A user agent by WebSocket has no end in its protocol.
const A_NAME: &str =
    "user agents: 1, subscriptions: 0, receipt subscriptions: 0, messages and receipts that wait: 0";

/// A walk by the hour uses nothing up, and holds no key.
#[test]
fn what_a_walk_made_is_ended() {
    for (flags, stays) in [(&["--no-websocket"][..], NOTHING), (&[], A_NAME)] {
        let folder = Folder::new();
        let service = Service::start(&folder.path("data"), "--dev --cleartext");
        let words = ["doctor", &service.public_url, "--json"].into_iter().chain(flags.iter().copied());
        let walked = run(words);
        assert_eq!(walked.status.code(), Some(0), "{}", stdout(&walked));
        let says_so = !flags.is_empty() || told(&walked, "unregister").contains("agent-idle");
        assert!(says_so, "{}", stdout(&walked));
        assert_eq!(left(&folder, service), stays);
    }
    // It is asked by another name than its own.
    let folder = Folder::new();
    let service = Service::start_cleartext(&folder.path("data"), "");
    let walked = run(["doctor", &format!("http://{}", service.address), "--json"]);
    let expected = ["ok", "ok", "broken", "ok"].map(str::to_owned);
    let states: Vec<_> = hops(&walked).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, expected, "{}", stdout(&walked));
    assert_eq!(left(&folder, service), NOTHING);
}

#[test]
fn what_an_interrupted_walk_made_is_ended() {
    for (habit, after, signal, stays) in
        [(Habit::Buffers, "send", "INT", NOTHING), (Habit::HoldsNotifications, "register", "TERM", A_NAME)]
    {
        let folder = Folder::new();
        let (url, service) = behind(&folder, habit);
        let mut walk = Running::start(webpush(["doctor", &url, "--json"]));
        let said = format!("\"hop\":\"{after}\"");
        while let line = walk.line()
            && !line.contains(&said)
        {
            assert!(!line.is_empty(), "it ended before {after}");
        }
        walk.signal(signal);
        assert_eq!(walk.exit_code(), Some(1));
        // A message may have been on its way, and ends with its TTL.
        let (stays, _) = stays.rsplit_once(", ").unwrap();
        let left = left(&folder, service);
        assert!(left.starts_with(stays), "{after}: {left}");
    }
}

#[test]
fn certificates_in_words() {
    let (folder, other) = (Folder::new(), Folder::new());
    let service = Service::start(&folder.path("data"), "--dev");
    let _other = Service::start(&other.path("data"), "--dev");
    let wrong = other.text("data/dev/ca.pem");
    let walked = run(["doctor", &service.public_url, "--ca", &wrong]);
    assert_fails(&walked, 1, &["one hop is broken"]);
    let says = stdout(&walked);
    assert!(says.contains("broken   connect") && says.contains("nobody whom this machine trusts"), "{says}");
    assert!(says.contains("--ca") && says.lines().count() == 2, "{says}");

    // By an address that the certificate is not for.
    #[cfg(target_os = "linux")]
    {
        let service = Service::start_at(&folder.path("more"), "127.0.0.2:0", "--dev");
        let url = format!("https://{}", service.address);
        let walked = run(["doctor", &url, "--ca", &folder.text("more/dev/ca.pem")]);
        assert!(stdout(&walked).contains("it is not for 127.0.0.2"), "{}", stdout(&walked));
    }
    let nothing = folder.text("nothing");
    let walked = run(["doctor", &service.public_url, "--ca", &nothing]);
    assert_fails(&walked, 1, &["nothing", "no such file"]);
}

#[test]
fn nobody_there_and_another_name() {
    let folder = Folder::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let walked = run(["doctor", &format!("http://{address}"), "--json"]);
    assert_fails(&walked, 1, &["one hop is broken"]);
    assert_eq!(hops(&walked), [("connect".to_owned(), "broken".to_owned())]);

    let service = Service::start_cleartext(&folder.path("data"), "");
    let walked = run(["doctor", &format!("http://{}", service.address), "--json"]);
    assert_fails(&walked, 1, &[]);
    assert_eq!(state_of(&walked, "subscribe"), "broken");
    assert!(stdout(&walked).contains("https://push.test") && stdout(&walked).contains("--public-url"));
}

#[test]
fn without_tls_where_there_is_tls() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let walked = run(["doctor", &format!("http://{}", service.address), "--json"]);
    assert_fails(&walked, 1, &["broken"]);
    for hop in ["health", "subscribe"] {
        let told = told(&walked, hop);
        assert!(told.contains("this port speaks TLS") && told.contains("use https://"), "{told}");
    }
}

/// Somebody else's server. It answers so, but to TLS by an alert if it has a port for that.
fn stranger(answer: &'static str, has_tls: bool) -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    thread::spawn(move || {
        for mut client in server.incoming().flatten() {
            let mut asked = [0; 4096];
            let Ok(1..) = client.read(&mut asked) else { continue };
            let is_tls = has_tls && asked[0] == 22;
            let answer = if is_tls { &[21, 3, 3, 0, 2, 2, 40][..] } else { answer.as_bytes() };
            drop(client.write_all(answer));
        }
    });
    url
}

#[test]
fn what_is_no_push_service_is_not_blamed_on_a_proxy_alone() {
    let url = stranger("HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n", false);
    let walked = run(["doctor", &url, "--json"]);
    assert_fails(&walked, 1, &["one hop is broken"]);
    let of_stranger = told(&walked, "subscribe");
    assert!(
        of_stranger.contains("501") && of_stranger.contains("this may be no push service"),
        "{of_stranger}"
    );

    // As nginx answers where a request comes without the TLS of its port.
    let url = stranger("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", true);
    let walked = run(["doctor", &url, "--json"]);
    assert!(told(&walked, "subscribe").contains("use https://"), "{}", stdout(&walked));
}

/// What a proxy does to what comes from the service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Speaks HTTP/1.1 only, and passes everything on.
    Plain,
    /// The same, but saves up whatever comes after the head of an event stream.
    Buffers,
    /// Asks the service for no WebSocket, as proxies do that were not told to.
    KeepsUpgrade,
    /// Says this instead of asking for a WebSocket, and hangs up.
    Instead(&'static str),
    /// Saves up whatever comes by a WebSocket from the first notification on.
    HoldsNotifications,
    /// Hangs up there.
    CutsNotifications,
}

/// A proxy in front of a service that calls itself by its address.
fn behind(folder: &Folder, habit: Habit) -> (String, Service) {
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", front.local_addr().unwrap());
    let flags = format!("--dev --cleartext --public-url {url}");
    let service = Service::start(&folder.path("data"), &flags);
    let back = service.address;
    thread::spawn(move || {
        for client in front.incoming().flatten() {
            thread::spawn(move || pass(client, back, habit));
        }
    });
    (url, service)
}

fn pass(mut client: TcpStream, back: SocketAddr, habit: Habit) {
    let mut service = TcpStream::connect(back).unwrap();
    let mut first = [0; 4096];
    let Ok(length) = client.read(&mut first) else { return };
    let mut head = String::from_utf8_lossy(&first[..length]).into_owned();
    if head.starts_with("PRI ") {
        return;
    }
    if head.contains("Upgrade: websocket") {
        if habit == Habit::KeepsUpgrade {
            head = head.replace("Upgrade: websocket", "X-Hop: none");
        }
        if let Habit::Instead(answer) = habit {
            return client.write_all(answer.as_bytes()).unwrap();
        }
    }
    if service.write_all(head.as_bytes()).is_err() {
        return;
    }
    let (mut from, mut to) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Both));
    });
    let (mut piece, mut saves_up) = ([0; 4096], false);
    while let Ok(length @ 1..) = service.read(&mut piece) {
        let said = String::from_utf8_lossy(&piece[..length]);
        let notified = said.contains("\"notification\"");
        if notified && habit == Habit::CutsNotifications {
            break;
        }
        saves_up |= notified && habit == Habit::HoldsNotifications;
        if !saves_up && client.write_all(&piece[..length]).is_err() {
            return;
        }
        saves_up |= habit == Habit::Buffers && said.contains("text/event-stream");
    }
    drop(client.shutdown(Shutdown::Both));
}

#[test]
fn without_http2_there_is_the_event_stream() {
    let folder = Folder::new();
    let (url, _service) = behind(&folder, Habit::Plain);
    let walked = run(["doctor", &url, "--json"]);
    assert_eq!(walked.status.code(), Some(0), "{}", stdout(&walked));
    for hop in ALL {
        let wanted = if hop == "server push" { "warning" } else { "ok" };
        assert_eq!(state_of(&walked, hop), wanted, "{}", stdout(&walked));
    }
}

#[test]
fn a_proxy_that_saves_the_stream_up_is_found_out() {
    let folder = Folder::new();
    let (url, _service) = behind(&folder, Habit::Buffers);
    let walked = run(["doctor", &url, "--json"]);
    assert_fails(&walked, 1, &["broken"]);
    assert_eq!(state_of(&walked, "event stream"), "broken", "{}", stdout(&walked));
    assert!(stdout(&walked).contains("proxy_buffering off"), "{}", stdout(&walked));
    assert_eq!(state_of(&walked, "acknowledge"), "ok");
    assert_eq!(state_of(&walked, "unsubscribe"), "ok");
}

/// The WebSocket is broken, for a reason and with a way out that hold these words; the other ways are well.
#[track_caller]
fn assert_websocket_broken(habit: Habit, hop: &str, says: &[&str]) {
    let folder = Folder::new();
    let (url, _service) = behind(&folder, habit);
    let walked = run(["doctor", &url, "--json"]);
    assert_fails(&walked, 1, &["one hop is broken"]);
    let told = told(&walked, hop);
    assert_eq!(state_of(&walked, hop), "broken", "{}", stdout(&walked));
    for words in says {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert_eq!(state_of(&walked, "event stream"), "ok", "{}", stdout(&walked));
    let opened = hop != "WebSocket";
    assert_eq!(state_of(&walked, "register") == "ok", opened, "{}", stdout(&walked));
}

#[test]
fn a_proxy_that_passes_no_upgrade_on_is_found_out() {
    let says = ["426 upgrade-required", "pass Upgrade and Connection on"];
    assert_websocket_broken(Habit::KeepsUpgrade, "WebSocket", &says);
}

#[test]
fn what_comes_instead_of_a_websocket_is_told_apart() {
    for (answer, says) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", ["404 Not Found", "with a slash behind"]),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            ["400 Bad", "pass Upgrade and Connection on"],
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
            ["502 Bad Gateway", "does not reach the service"],
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", ["200 OK", "a page comes instead"]),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", ["no good one", "pass Upgrade and Connection on"]),
        ("", ["no WebSocket opens", "pass Upgrade and Connection on"]),
    ] {
        assert_websocket_broken(Habit::Instead(answer), "WebSocket", &says);
    }
}

#[test]
fn a_websocket_whose_frames_do_not_come_is_found_out() {
    let says = ["no notification came within 5 s", "as they come"];
    assert_websocket_broken(Habit::HoldsNotifications, "notification", &says);
    assert_websocket_broken(
        Habit::CutsNotifications,
        "notification",
        &["the WebSocket is cut", "what stands between"],
    );
}
