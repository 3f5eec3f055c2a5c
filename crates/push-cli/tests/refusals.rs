//! What cannot work is refused with a reason and a way out: exit code 1 for the world's fault, 2 for wrong use.

mod support;

use std::{fs, net::TcpListener, path::Path};

use support::{Folder, Running, Service, assert_fails, run, run_with_input, stderr, stdout, webpush};

/// `webpush serve` in cleartext with these further words.
fn serve(data: &str, more: &[&str]) -> std::process::Output {
    let words = ["serve", "--data", data, "--behind-proxy", "--public-url", "https://push.test"];
    let listen = if more.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
    run(words.into_iter().chain(listen.iter().copied()).chain(more.iter().copied()))
}

#[test]
fn wrong_use_is_exit_code_2() {
    for (words, says) in [
        ("", "Usage: webpush"),
        ("frobnicate", "unrecognized subcommand"),
        ("serve --frobnicate", "unexpected argument"),
        ("serve", "--tls-cert and --tls-key"),
        ("serve --dev --behind-proxy", "exclude each other"),
        ("serve --behind-proxy --public-url push.example", "--public-url"),
        ("serve --behind-proxy --public-url https://push.example?x", "query"),
        ("serve --dev --listen nowhere", "--listen"),
        ("serve --dev --agent-idle 1h", "--agent-idle is shorter than a day"),
        ("serve --dev --message-burst 0", "--message-burst"),
        ("send", "--to"),
        ("send --to x --ttl 1y", "s, m, h or d"),
        ("send --to x --urgency extreme", "very-low, low, normal or high"),
        ("send --to x --topic a.b", "RFC 8030 §5.4"),
        ("send --to x --file y text", "cannot be used with"),
        // 8030-5.2-10: who waited would wait for nothing.
        ("send --to x --ttl 0 --wait-receipt 30 text", "RFC 8030 §5.2"),
        ("listen", "--url"),
        ("listen --url push.example", "--url"),
        ("listen --url https://push.example --vapid abc", "--vapid"),
    ] {
        assert_fails(&run(words.split_whitespace()), 2, &[says]);
    }
}

#[test]
fn help_explains_itself() {
    for words in ["--help", "demo --help", "keygen --help", "listen --help", "send --help", "serve --help"] {
        let output = run(words.split_whitespace());
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Usage: webpush"), "{words}");
        assert!(stdout(&output).lines().all(|line| line.chars().count() <= 110), "{}", stdout(&output));
    }
    assert!(stdout(&run(["--version"])).starts_with("webpush "));
}

#[test]
fn the_environment_is_as_good_as_flags() {
    let folder = Folder::new();
    let mut command = webpush(["serve"]);
    command.env("WEBPUSH_DATA", folder.path("data")).env("WEBPUSH_LISTEN", "127.0.0.1:0");
    command.env("WEBPUSH_BEHIND_PROXY", "true").env("WEBPUSH_PUBLIC_URL", "https://push.test/x");
    let mut service = Running::start(command);
    assert!(service.line().ends_with("public URL https://push.test/x"));
}

#[test]
fn a_taken_port_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = serve(&folder.text("data"), &["--listen", &address]);
    assert_fails(&output, 1, &[&address, "something else listens there", "--listen"]);
    // 192.0.2.0/24 is for documentation: no machine has it.
    let output = serve(&folder.text("data"), &["--listen", "192.0.2.1:8443"]);
    assert_fails(&output, 1, &["192.0.2.1:8443", "no such address"]);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    let file = folder.file("file", "");
    assert_fails(&serve(&file, &[]), 1, &[&file, "not a folder"]);
    assert_fails(&serve(&format!("{file}/data"), &[]), 1, &[&file, "is a file"]);
    // Not even root can write here.
    if Path::new("/proc/self").exists() {
        assert_fails(&serve("/proc/webpush", &[]), 1, &["/proc/webpush", "cannot create"]);
        assert_fails(&serve("/proc/self", &[]), 1, &["/proc/self", "cannot"]);
    }
}

#[test]
fn a_store_in_use_is_left_alone() {
    let folder = Folder::new();
    let _service = Service::start_cleartext(&folder.path("data"), "");
    let says = ["in use by another process", "`webpush rotate-key`", "`webpush backup`", "--data"];
    assert_fails(&serve(&folder.text("data"), &[]), 1, &says);
}

#[test]
fn key_and_store_are_missed_if_they_are_gone() {
    let folder = Folder::new();
    let data = folder.path("data");
    let mut service = Service::start_cleartext(&data, "");
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));

    let key = data.join("sealing.key");
    let text = fs::read(&key).unwrap();
    fs::rename(&key, data.join("aside")).unwrap();
    assert_fails(&serve(&folder.text("data"), &[]), 1, &["sealing.key is missing", "backup"]);

    fs::rename(data.join("aside"), &key).unwrap();
    fs::write(&key, "something else").unwrap();
    assert_fails(&serve(&folder.text("data"), &[]), 1, &["cannot use the sealing key", "not a keyring"]);

    fs::write(&key, &text).unwrap();
    fs::rename(data.join("store"), data.join("elsewhere")).unwrap();
    assert_fails(&serve(&folder.text("data"), &[]), 1, &["without its store", "backup"]);

    fs::rename(data.join("elsewhere"), data.join("store")).unwrap();
    let _service = Service::start_cleartext(&data, "");
}

#[test]
fn a_folder_that_is_something_else_is_left_alone() {
    let folder = Folder::new();
    let data = folder.path("data");
    fs::create_dir_all(data.join("store")).unwrap();
    fs::write(data.join("store/photo.jpeg"), "x").unwrap();
    assert_fails(&serve(&folder.text("data"), &[]), 1, &["neither empty nor a webpush store"]);
    assert_eq!(fs::read(data.join("store/photo.jpeg")).unwrap(), b"x");
}

#[test]
fn bad_certificates_are_named() {
    let folder = Folder::new();
    let pem = folder.file("bad.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let data = folder.text("data");
    let tls = |certificate: &str, key: &str| {
        let words =
            ["serve", "--data", &data, "--public-url", "https://push.test", "--listen", "127.0.0.1:0"];
        run(words.into_iter().chain(["--tls-cert", certificate, "--tls-key", key]))
    };
    assert_fails(&tls(&pem, &pem), 1, &["bad.pem", "--tls-key its unencrypted key"]);
    assert_fails(&tls("/nowhere.pem", &pem), 1, &["/nowhere.pem", "no such file"]);
    assert_fails(&tls(&folder.text("."), &pem), 1, &["it is a folder"]);
    let listen = run(["listen", "--url", "https://localhost:1", "--ca", &pem]);
    assert_fails(&listen, 1, &["bad.pem", "trust"]);
}

#[test]
fn bad_subscriptions_are_named_without_showing_them() {
    let folder = Folder::new();
    let send = |json: &str| run(["send", "--to", &folder.file("s.json", json), "hello"]);
    let endpoint = "https://push.example/p/secretsecret";
    assert_fails(&send("hello"), 1, &["s.json", "not JSON"]);
    assert_fails(&send("[]"), 1, &["not a JSON object"]);
    assert_fails(&send(&format!("{{\"endpoint\":\"{endpoint}\"}}")), 1, &["keys: missing"]);
    let keys = "{\"p256dh\":\"secretsecret\",\"auth\":\"secretsecret\"}";
    let broken = send(&format!("{{\"endpoint\":\"{endpoint}\",\"keys\":{keys}}}"));
    assert_fails(&broken, 1, &["keys.p256dh", "9 octets"]);
    assert!(!stderr(&broken).contains("secretsecret"));
    assert_fails(&run(["send", "--to", "/nowhere.json", "hello"]), 1, &["/nowhere.json", "no such file"]);
    assert_fails(&run_with_input(["send", "--to", "-", "hello"], b"{}"), 1, &["standard input", "missing"]);
    assert_fails(&run(["send", "--to", "-"]), 2, &["standard input"]);
}

#[test]
fn bad_keys_are_named_without_showing_them() {
    let folder = Folder::new();
    let send = |key: &str| run(["send", "--to", "/nowhere.json", "--key", key, "hello"]);
    assert_fails(&send("/nowhere.pem"), 1, &["/nowhere.pem", "no such file", "webpush keygen"]);
    let broken = send(&folder.file("k.pem", "secretsecret"));
    assert_fails(&broken, 1, &["k.pem", "octets", "webpush keygen"]);
    assert!(!stderr(&broken).contains("secretsecret"));
    let words = ["send", "--to", "x", "--key", &folder.text("k.pem"), "--subject", "me@example.org", "hello"];
    assert_fails(&run(words), 2, &["--subject"]);
}

#[test]
fn keys_are_made_for_their_owner_only_and_never_overwritten() {
    let folder = Folder::new();
    for format in ["pem", "base64url", "json"] {
        let path = folder.text(format);
        let made = run(["keygen", "--format", format, "--out", &path]);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        assert_eq!(stdout(&made).trim_end().len(), 87);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = run(["keygen", "--out", &path]);
        assert_fails(&again, 1, &[&path, "exists", "not overwritten"]);
    }
    let pem = run(["keygen"]);
    assert!(stdout(&pem).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(stdout(&pem).ends_with("-----END PRIVATE KEY-----\n"));
    assert!(stderr(&pem).contains("applicationServerKey"));
}

/// A file that is replaced is a regular one: a pipe, a device or somebody's link stays what it is.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_replaced() {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let folder = Folder::new();
    let (pipe, link) = (folder.pipe("pipe"), folder.text("link"));
    let target = folder.file("target", "precious");
    symlink(&target, &link).unwrap();
    let listen = |flag: &str, path: &str| run(["listen", "--url", "https://localhost:1", flag, path]);
    let inner = folder.text(".");
    for path in [&link, &inner] {
        for flag in ["--state", "--subscription-out"] {
            assert_fails(&listen(flag, path), 1, &[path, "is not a regular file"]);
        }
    }
    for path in [&pipe, "/dev/null"] {
        assert_fails(&listen("--state", path), 1, &[path, "is not a regular file"]);
    }
    assert_fails(&listen("--state", &link), 1, &["name the file that it leads to"]);
    for path in [&link, &pipe, "/dev/null"] {
        assert_fails(&run(["keygen", "--out", path]), 1, &[path, "is not a regular file"]);
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[cfg(unix)]
#[test]
fn what_a_service_keeps_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let data = folder.path("data");
    let service = Service::start(&data, "--dev");
    assert_eq!(service.public_url, format!("https://localhost:{}", service.address.port()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("store")), 0o700);
    assert_eq!(mode(&data.join("sealing.key")), 0o600);
    assert_eq!(mode(&data.join("dev/server.key")), 0o600);
}
