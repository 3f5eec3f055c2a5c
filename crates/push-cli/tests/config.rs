//! What `serve` is told by flags, environment and file, and what `--check` says of it.

#![allow(clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{fs, process::Command};

use support::{Folder, Running, Service, assert_fails, run, stdout, webpush};

/// `webpush serve` that reads this file.
fn serve(folder: &Folder, config: &str) -> Command {
    let file = folder.file("webpush.toml", config);
    let mut command = webpush(["serve", "--config", &file]);
    command.env("WEBPUSH_DATA", folder.path("data"));
    command
}

/// The lines that `--check` prints.
#[track_caller]
fn checked(mut command: Command) -> String {
    let output = command.arg("--check").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", support::stderr(&output));
    stdout(&output).to_owned()
}

const FILE: &str = "public-url = 'https://file.test'\nbehind-proxy = true\nlisten = '127.0.0.1:0'\n";

#[test]
fn flag_before_environment_before_file_before_default() {
    let folder = Folder::new();
    let said = checked(serve(&folder, FILE));
    assert!(said.contains("public-url = https://file.test (configuration file)\n"), "{said}");
    assert!(said.contains("behind-proxy = true (configuration file)\n"), "{said}");
    assert!(!said.contains("(default)") && !said.contains("runtime"), "{said}");

    let mut command = serve(&folder, FILE);
    command.env("WEBPUSH_PUBLIC_URL", "https://environment.test");
    let said = checked(command);
    assert!(said.contains("public-url = https://environment.test (environment)\n"), "{said}");

    let mut command = serve(&folder, FILE);
    command.env("WEBPUSH_PUBLIC_URL", "https://environment.test").args(["--public-url", "https://flag.test"]);
    let said = checked(command);
    assert!(said.contains("public-url = https://flag.test (command line)\n"), "{said}");
    assert!(said.contains("\npublic URL https://flag.test\n"), "{said}");

    // What the file switches on the environment switches off.
    let mut command = serve(&folder, "dev = true\n");
    command.env("WEBPUSH_DEV", "false");
    assert_fails(&command.arg("--check").output().unwrap(), 2, &["no TLS"]);
}

#[test]
fn the_file_is_named_by_flag_or_environment_and_serves_as_well_as_flags() {
    let folder = Folder::new();
    let file = folder.file("webpush.toml", format!("{FILE}[bounds]\nmessage-rate = 7\n"));
    let mut command = webpush(["serve"]);
    command.env("WEBPUSH_CONFIG", &file).env("WEBPUSH_DATA", folder.path("data"));
    let mut service = Running::start(command);
    assert!(service.line().ends_with(", public URL https://file.test"));
    // The other commands have none.
    let mut other = webpush(["keygen"]);
    assert!(other.env("WEBPUSH_CONFIG", "/nowhere").output().unwrap().status.success());
    assert_fails(&run(["serve", "--config", "/nowhere.toml"]), 1, &["/nowhere.toml", "no such file"]);
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_place() {
    let folder = Folder::new();
    for (config, says) in [
        ("dev = true\nlisen = 'x'\n", &["webpush.toml:2:1: unknown key `lisen`", "`listen`"][..]),
        ("dev = true\nmessage-rate = 1\n", &["webpush.toml:2:1:", "`message-rate` in the table [bounds]"]),
        ("dev = yes\n", &["webpush.toml:1:7:"]),
        ("dev = 'yes'\n", &["webpush.toml:1:7:", "true or false"]),
        ("log = 'loud'\n", &["webpush.toml:1:7:", "possible values: off, error"]),
        ("config = 'x'\n", &["webpush.toml:1:1: unknown key `config`"]),
        ("dev = true\nlisten = []\n", &["nowhere to listen", "127.0.0.1:8443"]),
        (
            "dev = true\n[bounds]\nagent-idle = '1h'\n",
            &["webpush.toml:3:14: --agent-idle is shorter than a day"],
        ),
        (
            "behind-proxy = true\n  dev = true\n",
            &[
                "webpush.toml:2:9, ",
                "webpush.toml:1:16: --tls-cert, --dev and --behind-proxy exclude each other",
            ],
        ),
    ] {
        assert_fails(&serve(&folder, config).output().unwrap(), 2, says);
    }
    assert!(!folder.path("data").exists());
}

/// Who set a variable is not told of a flag alone.
#[test]
fn what_is_wrong_in_the_environment_is_told_with_its_variable() {
    let folder = Folder::new();
    for (name, value, says) in [
        ("WEBPUSH_AGENTS", "many", "WEBPUSH_AGENTS: invalid value 'many' for '--agents <N>'"),
        ("WEBPUSH_LOG", "loud", "WEBPUSH_LOG: invalid value 'loud' for '--log <LEVEL>'"),
        ("WEBPUSH_AGENT_IDLE", "1h", "WEBPUSH_AGENT_IDLE: --agent-idle is shorter than a day"),
        (
            "WEBPUSH_PUBLIC_URL",
            "http://a.example",
            "WEBPUSH_PUBLIC_URL: --public-url http://a.example is http",
        ),
    ] {
        let mut command = serve(&folder, "dev = true\n");
        assert_fails(&command.env(name, value).output().unwrap(), 2, &[says]);
    }
    // A flag counts before the variable, and is at fault then.
    let mut command = serve(&folder, "dev = true\n");
    let refused = command.env("WEBPUSH_AGENTS", "1").args(["--agents=many"]).output().unwrap();
    assert_fails(&refused, 2, &["error: invalid value 'many' for '--agents <N>'"]);
}

/// A typo, and a file of a secret where there is none.
#[test]
fn variables_that_mean_nothing_are_told() {
    let folder = Folder::new();
    for (name, says) in [
        (
            "WEBPUSH_PUBLIC_ULR",
            "the variable WEBPUSH_PUBLIC_ULR means nothing; did you mean WEBPUSH_PUBLIC_URL?",
        ),
        (
            "WEBPUSH_TLS_KEY_FILE",
            "the variable WEBPUSH_TLS_KEY_FILE means nothing; did you mean WEBPUSH_TLS_KEY?",
        ),
    ] {
        let checked = serve(&folder, FILE).arg("--check").env(name, "secretsecret").output().unwrap();
        assert_fails(&checked, 2, &[says]);
        let mut command = serve(&folder, FILE);
        command.env(name, "secretsecret").stderr(std::process::Stdio::piped());
        let mut service = Service::ready(command);
        let mut said = service.process.stderr();
        service.process.kill();
        let said = std::io::read_to_string(&mut said).unwrap();
        assert!(said.contains("WARN") && said.contains(says) && !said.contains("secretsecret"), "{said}");
    }
    // Of other commands, and what Kubernetes says of a service by this name.
    let mut command = serve(&folder, FILE);
    command.envs([("WEBPUSH_PROXY_FILE", "/nowhere"), ("WEBPUSH_KEY_FILE", "/nowhere")]);
    command.envs([("WEBPUSH_SERVICE_HOST", "10.0.0.1"), ("WEBPUSH_PORT_443_TCP", "tcp://10.0.0.1:443")]);
    checked(command);
}

/// One parser for each value: the file's error is the flag's.
#[test]
fn the_file_takes_what_the_flag_takes_and_refuses_it_in_the_same_words() {
    let folder = Folder::new();
    for (table, name, value) in [
        ("", "drain", "1y"),
        ("", "shards", "0"),
        ("", "shards", "many"),
        ("", "runtime", "sync"),
        ("", "listen", "nowhere"),
        ("", "public-url", "push.example"),
        ("[bounds]\n", "message-burst", "0"),
        ("[bounds]\n", "agent-octets", "-1"),
        // Everybody would be sent away; for its neighbour it means no bound.
        ("[bounds]\n", "connections", "0"),
    ] {
        let flag = format!("--{name}={value}");
        let by_flag = run(["serve", "--dev", &flag]);
        assert_fails(&by_flag, 2, &["error: "]);
        let words = support::stderr(&by_flag).strip_prefix("error: ").unwrap().split("\n\n").next().unwrap();
        let by_file = serve(&folder, &format!("dev = true\n{table}{name} = '{value}'\n")).output().unwrap();
        let line = if table.is_empty() { 2 } else { 3 };
        let at = format!("webpush.toml:{line}:{}: ", name.len() + 4);
        assert_fails(&by_file, 2, &[&at, words]);
    }
}

#[test]
fn check_finds_what_would_stop_a_start() {
    let folder = Folder::new();
    let [one, other] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(["push.test".to_owned()]).unwrap());
    let certificate = folder.file("chain.pem", one.cert.pem());
    let key = folder.file("key.pem", one.signing_key.serialize_pem());
    let other = folder.file("other.pem", other.signing_key.serialize_pem());
    let tls = |key: &str| {
        let config =
            format!("tls-cert = '{certificate}'\ntls-key = '{key}'\npublic-url = 'https://push.test/x'\n");
        serve(&folder, &config)
    };
    let said = checked(tls(&key));
    let promised = format!("it would listen on 127.0.0.1:8443, TLS with {certificate} and {key}\n");
    assert!(said.contains(&promised), "{said}");
    assert!(said.contains("Firefox: dom.push.serverURL = wss://push.test/x/\n"), "{said}");
    let check = |mut command: Command| command.arg("--check").output().unwrap();
    assert_fails(&check(tls(&other)), 1, &["other.pem", "do not belong together"]);
    assert_fails(&check(tls("/nowhere.pem")), 1, &["/nowhere.pem", "no such file"]);

    let mut elsewhere = tls(&key);
    elsewhere.env("WEBPUSH_DATA", &certificate);
    assert_fails(&check(elsewhere), 1, &["chain.pem", "it is not a folder"]);
    // Not even root can write here.
    if fs::metadata("/proc/self").is_ok() {
        let mut elsewhere = tls(&key);
        elsewhere.env("WEBPUSH_DATA", "/proc/self/webpush");
        assert_fails(&check(elsewhere), 1, &["cannot write to the folder"]);
    }
    drop(Service::start_cleartext(&folder.path("data"), ""));
    let (sealing, format) = (folder.path("data/sealing.key"), folder.path("data/store/FORMAT"));
    fs::rename(&sealing, folder.path("aside")).unwrap();
    assert_fails(&check(tls(&key)), 1, &["sealing.key is missing"]);
    fs::rename(folder.path("aside"), &sealing).unwrap();
    fs::write(&sealing, "x").unwrap();
    assert_fails(&check(tls(&key)), 1, &["cannot use the sealing key"]);
    fs::write(&format, "x").unwrap();
    assert_fails(&check(tls(&key)), 1, &["neither empty nor a webpush store", "backup"]);
    fs::write(&format, "webpush-store 999\n").unwrap();
    assert_fails(&check(tls(&key)), 1, &["has format 999"]);
    fs::create_dir(folder.path("data/restore.draft")).unwrap();
    assert_fails(&check(tls(&key)), 1, &["was not finished", "restore again"]);
}

/// It changes nothing, and is no matter to a service that runs.
#[test]
fn check_leaves_everything_as_it_is() {
    let folder = Folder::new();
    checked(serve(&folder, FILE));
    assert!(!folder.path("data").exists());
    let mut service = Running::start(serve(&folder, FILE));
    assert!(service.line().starts_with("listening on "));
    let files = || {
        let entries = fs::read_dir(folder.path("data")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    let before = files();
    checked(serve(&folder, FILE));
    assert_eq!(files(), before);
}

/// Issue 6: beside the line that it is ready, what to set in Firefox.
#[test]
fn firefox_is_told_where_to_connect() {
    let folder = Folder::new();
    for (flags, secure) in [("--dev", true), ("--dev --cleartext", false)] {
        let data = folder.text("data");
        let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0"].into_iter();
        let mut command = webpush(words.chain(flags.split(' ')));
        command.stderr(std::process::Stdio::piped());
        let mut service = Service::ready(command);
        let mut said = service.process.stderr();
        service.process.signal("TERM");
        assert_eq!(service.process.exit_code(), Some(0));
        let said = std::io::read_to_string(&mut said).unwrap();
        let scheme = if secure { "wss" } else { "ws" };
        let url = format!("  dom.push.serverURL = {scheme}://localhost:{}/\n", service.address.port());
        assert!(said.contains(&url), "{said}");
        let insecure = said.contains("  dom.push.testing.allowInsecureServerURL = true\n");
        assert_eq!(insecure, !secure, "{said}");
    }
}
