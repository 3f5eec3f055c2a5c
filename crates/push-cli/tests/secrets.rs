//! G6: what the command says on standard error while it serves, listens and sends, at the level of most words.

#![allow(clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

mod support;

use std::fs;

use support::{Folder, Running, Service, run, stderr, stdout, webpush};

const PAYLOAD: &str = "the planted payload of a message";
const TOPIC: &str = "the-planted-topic-of-a-message";

/// The value of a member of a JSON object, which is text without escapes.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split('"').next().unwrap()
}

/// The text, its octets in hexadecimal and with percents, and its decimal numbers.
fn forms(secret: &str) -> Vec<String> {
    let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<Vec<_>>();
    vec![
        secret.to_owned(),
        each(|octet| format!("{octet:02x}")).concat(),
        each(|octet| format!("%{octet:02X}")).concat(),
        each(|octet| octet.to_string()).join(", "),
    ]
}

/// 8030-8.5-1, G6.
#[test]
fn no_planted_secret_is_on_standard_error_at_trace() {
    let folder = Folder::new();
    let (serve_log, listen_log) = (folder.path("serve.log"), folder.path("listen.log"));
    let (data, key) = (folder.text("data"), folder.text("key.json"));
    run(["keygen", "--format", "json", "--out", &key]);
    let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--dev", "--log", "trace"];
    let mut command = webpush(words);
    command.stderr(fs::File::create(&serve_log).unwrap());
    let service = Service::ready(command);

    let (ca, state) = (folder.text("data/dev/ca.pem"), folder.text("me.state"));
    let words = ["listen", "--url", &service.public_url, "--ca", &ca, "--state", &state, "--log", "trace"];
    let mut command = webpush(words);
    command.stderr(fs::File::create(&listen_log).unwrap());
    let mut listener = Running::start(command);
    let subscription = listener.line();
    let to = folder.file("me.json", &subscription);

    let send = |more: &[&str]| {
        let words = ["send", "--to", &to, "--log", "trace", "--topic", TOPIC, "--key", &key];
        run(words.into_iter().chain(["--subject", "mailto:me@example.org"]).chain(more.iter().copied()))
    };
    let sent = send(&["--ca", &ca, "--wait-receipt", "30", "--verbose", PAYLOAD]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    assert_eq!(listener.line(), PAYLOAD);
    let too_long = folder.file("long", PAYLOAD.repeat(200));
    let refused = send(&["--ca", &ca, "--file", &too_long]);
    let stranger = send(&["--private-addresses", PAYLOAD]);
    assert_ne!((refused.status.code(), stranger.status.code()), (Some(0), Some(0)));
    listener.signal("TERM");
    listener.exit_code();
    let gone = folder.file("gone.json", subscription.replacen("/p/", "/p/A", 1));
    let gone = run(["send", "--to", &gone, "--ca", &ca, "--log", "trace", PAYLOAD]);
    assert_ne!(gone.status.code(), Some(0));

    let printed = stdout(&sent);
    let message = printed.split_whitespace().find(|word| word.contains("/m/")).unwrap();
    let key = fs::read_to_string(&key).unwrap();
    let keyring =
        fs::read_dir(&data).unwrap().filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok());
    let sealing = keyring.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let sealing: Vec<String> =
        sealing.filter_map(|line| line.strip_prefix("seal 0 ").map(str::to_owned)).collect();
    assert_eq!(sealing.len(), 1, "the key of the capability URLs is in the data folder");

    let token =
        |url: &str| url.rsplit('/').next().unwrap().trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let secrets = [
        token(member(&subscription, "endpoint")),
        member(&subscription, "auth").to_owned(),
        member(&subscription, "p256dh").to_owned(),
        token(message),
        member(&key, "privateKey").to_owned(),
        sealing[0].clone(),
        PAYLOAD.to_owned(),
        TOPIC.to_owned(),
        "eyJ0eXAiOiJKV1Qi".to_owned(),
    ];
    drop(service);
    let logs = [serve_log, listen_log].map(|path| fs::read_to_string(path).unwrap());
    let said = [&sent, &refused, &stranger, &gone].map(|output| stderr(output).to_owned());
    assert!(logs[0].contains(" DEBUG "), "much is logged: {}", logs[0]);
    for text in logs.iter().chain(&said) {
        for secret in &secrets {
            for form in forms(secret) {
                assert!(!text.contains(&form), "G6: {secret} is in {text}");
            }
        }
    }
}
