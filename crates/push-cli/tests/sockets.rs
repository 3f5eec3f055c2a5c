//! Where the real binary listens, and who it believes there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::Path,
};

use bytes::Bytes;
use http::Method;
use support::{Folder, Running, assert_fails, http2::Peer, run, webpush};
use tokio::net::UnixStream;

const CLEARTEXT: [&str; 3] = ["--behind-proxy", "--public-url", "https://push.test"];

/// A service that listens there; and where it says it does.
fn serve(data: &str, flags: &[&str]) -> (Running, String) {
    let words = ["serve", "--data", data].into_iter().chain(CLEARTEXT).chain(flags.iter().copied());
    let mut process = Running::start(webpush(words));
    let line = process.line();
    let ready = line
        .strip_prefix("listening on ")
        .and_then(|rest| rest.strip_suffix(", public URL https://push.test"));
    let places = ready.unwrap_or_else(|| panic!("not ready: {line:?}")).to_owned();
    (process, places)
}

async fn connect(path: &Path) -> Peer {
    Peer::over(UnixStream::connect(path).await.unwrap()).await.unwrap()
}

async fn subscribe(peer: &Peer, fields: &[(&'static str, &str)]) -> u16 {
    peer.request(Method::POST, "/subscribe", fields, Bytes::new()).await.unwrap().status.as_u16()
}

/// On both runtimes, beside an address, by HTTP/2 and HTTP/1.1; removed at the end.
#[tokio::test]
async fn a_path_is_as_good_as_an_address() {
    for runtime in ["tokio", "smol"] {
        let folder = Folder::new();
        let (path, data) = (folder.path("push.sock"), folder.text("data"));
        let place = format!("unix:{}", path.display());
        let flags = ["--listen", &place, "--listen", "127.0.0.1:0", "--runtime", runtime];
        let (mut process, places) = serve(&data, &flags);
        let (first, second) = places.split_once(" and ").unwrap();
        assert_eq!(first, place);
        let peer = connect(&path).await;
        assert_eq!(subscribe(&peer, &[]).await, 201, "{runtime}");
        let by_address = Peer::connect(second.parse().unwrap()).await.unwrap();
        assert_eq!(subscribe(&by_address, &[]).await, 201, "{runtime}");

        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut plain = UnixStream::connect(&path).await.unwrap();
        plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{runtime}: {answer}");

        process.signal("TERM");
        assert_eq!(process.exit_code(), Some(0));
        assert!(!path.exists(), "{runtime}: the socket is still there");
    }
}

/// What a killed process left is replaced; what listens, or is something else, stays as it is.
#[tokio::test]
async fn only_what_nobody_listens_on_is_replaced() {
    let folder = Folder::new();
    let (path, data) = (folder.path("push.sock"), folder.text("data"));
    let place = format!("unix:{}", path.display());
    let (mut killed, _) = serve(&data, &["--listen", &place]);
    killed.kill();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket(), "nobody removed it");

    let (mut process, _) = serve(&data, &["--listen", &place]);
    assert_eq!(subscribe(&connect(&path).await, &[]).await, 201);
    let other = folder.text("other");
    let words = ["serve", "--data", &other, "--listen", &place].into_iter().chain(CLEARTEXT);
    assert_fails(&run(words), 1, &[&place, "another process listens there"]);
    assert_eq!(subscribe(&connect(&path).await, &[]).await, 201, "the first is still there");
    process.signal("TERM");
    assert_eq!(process.exit_code(), Some(0));

    let file = folder.file("push.sock", "precious");
    let words = ["serve", "--data", &other, "--listen", &place].into_iter().chain(CLEARTEXT);
    assert_fails(&run(words), 1, &["a file that is no socket"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
    let nowhere = format!("unix:{}", folder.text("no/such/push.sock"));
    let words = ["serve", "--data", &other, "--listen", &nowhere].into_iter().chain(CLEARTEXT);
    assert_fails(&run(words), 1, &["its folder does not exist"]);
}

/// Whoever takes the path over keeps it when the first ends.
#[test]
fn what_somebody_else_put_there_is_not_removed() {
    let folder = Folder::new();
    let path = folder.path("push.sock");
    let place = format!("unix:{}", path.display());
    let (mut process, _) = serve(&folder.text("data"), &["--listen", &place]);
    // The inode of the first is in use until it ends, so this is another file.
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    process.signal("TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert!(path.exists());
}

#[test]
fn the_mode_of_a_path_can_be_said() {
    let folder = Folder::new();
    for mode in [0o600, 0o660, 0o666] {
        let path = folder.path("push.sock");
        let (place, text) = (format!("unix:{}", path.display()), format!("{mode:o}"));
        let (mut process, _) = serve(&folder.text("data"), &["--listen", &place, "--socket-mode", &text]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        process.signal("TERM");
        assert_eq!(process.exit_code(), Some(0));
    }
}

/// A proxy that comes by a path is believed where that was said, and nowhere else.
#[tokio::test]
async fn a_proxy_on_this_machine_is_believed_if_it_is_trusted() {
    for (trusted, runtime) in [(true, "tokio"), (true, "smol"), (false, "tokio")] {
        let folder = Folder::new();
        let path = folder.path("push.sock");
        let place = format!("unix:{}", path.display());
        let mut flags = vec!["--listen", &place, "--address-agent-rate", "1", "--address-agent-burst", "1"];
        flags.extend(["--runtime", runtime]);
        flags.extend(trusted.then_some(["--trusted-proxy", "unix,10.0.0.0/8"]).into_iter().flatten());
        let (_process, _) = serve(&folder.text("data"), &flags);
        let peer = connect(&path).await;
        let over = if trusted { 429 } else { 201 };
        // As long as more than one comes in a second one of them is refused.
        let burst = |client: &'static str| async {
            let mut last = 201;
            for _ in 0..50 {
                last = subscribe(&peer, &[("x-forwarded-for", client)]).await;
                if last != 201 {
                    break;
                }
            }
            last
        };
        assert_eq!(burst("192.0.2.1").await, over);
        assert_eq!(burst("198.51.100.9, 192.0.2.1, 10.0.0.7").await, over);
        assert_eq!(subscribe(&peer, &[("x-forwarded-for", "192.0.2.2")]).await, 201);
    }
}

/// Browsers write an origin in lower case, without the port that the scheme has by default.
#[tokio::test]
async fn an_origin_is_compared_as_browsers_write_it() {
    let folder = Folder::new();
    let flags = ["--listen", "127.0.0.1:0", "--websocket-origin", "HTTPS://Chat.example.org:443"];
    let (_process, place) = serve(&folder.text("data"), &flags);
    for (origin, status) in [("https://chat.example.org", "101"), ("https://other.example", "403")] {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut page = tokio::net::TcpStream::connect(&place).await.unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: push.test\r\nconnection: upgrade\r\nupgrade: websocket\r\norigin: {origin}\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        page.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        page.read_exact(&mut answer).await.unwrap();
        assert_eq!(str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"), "{origin}");
    }
}

#[test]
fn wrong_use_is_refused_with_a_way_out() {
    let long = format!("--listen unix:/tmp/{}", "x".repeat(120));
    for (words, says) in [
        (long.as_str(), "this path cannot name a socket"),
        ("--listen unix:", "is followed by a path"),
        ("--listen /run/push.sock", "a socket as unix:/path"),
        ("--socket-mode rw", "660"),
        ("--trusted-proxy proxy.example", "neither an address"),
        ("--trusted-proxy 10.0.0.0/33", "neither an address"),
        ("--trusted-proxy ::ffff:10.0.0.0/90", "neither an address"),
        ("--trusted-proxy unix,", "neither an address"),
        ("--websocket-origin https://chat.example.org/", "with nothing behind: https://chat.example.org"),
        ("--websocket-origin chat.example.org", "an origin is a scheme"),
        ("--websocket-origin *", "pages of all may connect"),
        ("--websocket-origin=", "an origin is a scheme"),
    ] {
        assert_fails(
            &run(["serve"].into_iter().chain(CLEARTEXT).chain(words.split_whitespace())),
            2,
            &[says],
        );
    }
    let words = ["serve", "--dev", "--listen", "unix:/tmp/nowhere/push.sock"];
    assert_fails(&run(words), 1, &["its folder does not exist"]);
}
