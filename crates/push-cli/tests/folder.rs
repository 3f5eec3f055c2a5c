//! The data folder: what is lost is missed, and nothing is made in its place.
#![allow(clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{fs, process::Output};

use support::{Folder, Service, assert_fails, run, stderr, webpush};

/// `webpush serve` on this folder, with these further words.
fn serve(data: &str, more: &[&str]) -> Output {
    let words = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--dev", "--cleartext"];
    run(words.into_iter().chain(more.iter().copied()))
}

/// Each command that needs a service in its folder, and `serve`.
fn each_command(folder: &Folder) -> [Output; 4] {
    let (data, to) = (folder.text("data"), folder.text("a.backup"));
    [
        serve(&data, &[]),
        serve(&data, &["--check"]),
        run(["backup", "--data", &data, "--to", &to]),
        run(["rotate-key", "--data", &data]),
    ]
}

/// G1: a service without its data would answer 404 to every URL, and its senders would give up for ever.
#[test]
fn a_store_without_its_data_is_missed() {
    let folder = Folder::new();
    drop(Service::start_cleartext(&folder.path("data"), ""));
    let backup = folder.file("a.backup", "a good one");
    let lost = folder.path("data/store/data");
    fs::rename(&lost, folder.path("elsewhere")).unwrap();
    for refused in each_command(&folder) {
        assert_fails(&refused, 1, &["corrupt", "store/data is missing", "from a backup"]);
        assert!(!lost.exists(), "nothing was made");
    }
    // Such as where a disk is to be mounted.
    fs::create_dir(&lost).unwrap();
    for refused in each_command(&folder) {
        assert_fails(&refused, 1, &["corrupt", "store/data is missing", "from a backup"]);
    }
    assert_eq!(fs::read_to_string(backup).unwrap(), "a good one");
    fs::remove_dir(&lost).unwrap();
    fs::rename(folder.path("elsewhere"), &lost).unwrap();
    drop(Service::start_cleartext(&folder.path("data"), ""));
}

/// Each service notes the time when it starts, so there is no backup of nothing that could replace a good one.
#[test]
fn a_store_that_holds_nothing_is_not_backed_up() {
    let folder = Folder::new();
    let mut service = Service::start_cleartext(&folder.path("data"), "");
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
    let (data, file) = (folder.text("data"), folder.text("a.backup"));
    let backed_up = || run(["backup", "--data", &data, "--to", &file]);
    let made = backed_up();
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let good = fs::read(&file).unwrap();

    fs::remove_dir_all(folder.path("data/store")).unwrap();
    drop(push_store::engine::FjallEngine::open(folder.path("data/store")).unwrap());
    assert_fails(&backed_up(), 1, &["holds nothing", "from an older backup"]);
    assert_eq!(fs::read(&file).unwrap(), good);
}

/// A first start that was cut short looks the same, but for the key: no URL was handed out.
#[test]
fn a_first_start_that_was_cut_short_goes_on() {
    let folder = Folder::new();
    drop(Service::start_cleartext(&folder.path("data"), ""));
    fs::rename(folder.path("data/sealing.key"), folder.path("data/sealing.key.new")).unwrap();
    fs::remove_dir_all(folder.path("data/store/data")).unwrap();
    let data = folder.text("data");
    let checked = serve(&data, &["--check"]);
    let backed_up = run(["backup", "--data", &data, "--to", &folder.text("a.backup")]);
    let rotated = run(["rotate-key", "--data", &data]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    for refused in [backed_up, rotated] {
        assert_fails(&refused, 1, &["there is no push service in", "its first start was not finished"]);
    }
    drop(Service::start_cleartext(&folder.path("data"), ""));
    assert!(folder.path("data/sealing.key").exists() && !folder.path("data/sealing.key.new").exists());
}

/// A folder without a service may be where a disk was to be mounted: that is said, whatever is logged, and refused if it
/// was said that there must be one.
#[test]
fn a_new_folder_is_told_or_refused() {
    let folder = Folder::new();
    let data = folder.text("data");
    for more in [&["--data-must-exist"][..], &["--data-must-exist", "--check"]] {
        assert_fails(
            &serve(&data, more),
            1,
            &["there is no push service in", "mounted", "start it once without"],
        );
        assert!(!folder.path("data").exists(), "nothing was made");
    }
    let new = format!("{data} is new: ");
    let says_that_it_is_new = |is: bool| {
        let checked = serve(&data, &["--check", "--log", "off"]);
        assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
        assert_eq!(stderr(&checked).contains(&new), is, "{}", stderr(&checked));
        let log = folder.path("log");
        let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--dev", "--log", "off"];
        let mut command = webpush(words);
        command.stderr(fs::File::create(&log).unwrap()).env("WEBPUSH_DATA_MUST_EXIST", (!is).to_string());
        drop(Service::ready(command));
        let said = fs::read_to_string(log).unwrap();
        assert_eq!(said.contains(&new), is, "{said}");
        assert_eq!(said.contains("no URL of an earlier service is valid here"), is, "{said}");
    };
    says_that_it_is_new(true);
    says_that_it_is_new(false);
}

/// Whoever has the sealing key can make every URL of the service.
#[cfg(unix)]
#[test]
fn a_sealing_key_that_others_may_read_is_refused() {
    let folder = Folder::new();
    drop(Service::start_cleartext(&folder.path("data"), ""));
    let (data, key) = (folder.text("data"), folder.path("data/sealing.key"));
    for mode in [0o640, 0o604, 0o620, 0o666] {
        chmod(&key, mode);
        for more in [&[][..], &["--check"]] {
            let says = ["sealing.key", &format!("mode {mode:o}"), "chmod 600", "changing the sealing key"];
            assert_fails(&serve(&data, more), 1, &says);
        }
    }
    chmod(&key, 0o400);
    drop(Service::start_cleartext(&folder.path("data"), ""));
}

/// Its files may be shared by those who renew it, but not by all.
#[cfg(unix)]
#[test]
fn a_certificates_key_that_all_may_read_is_warned_of() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = folder.file("chain.pem", made.cert.pem());
    let key = folder.file("key.pem", made.signing_key.serialize_pem());
    let data = folder.text("data");
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
        chmod(&folder.path("key.pem"), mode);
        let words =
            ["serve", "--public-url", "https://localhost", "--listen", "127.0.0.1:0", "--data", &data];
        let words = words.into_iter().chain(["--tls-cert", &chain, "--tls-key", &key]);
        let log = folder.path("log");
        let mut command = webpush(words.clone());
        command.stderr(fs::File::create(&log).unwrap());
        drop(Service::ready(command));
        let checked = run(words.chain(["--check"]));
        assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
        for said in [&fs::read_to_string(log).unwrap(), stderr(&checked)] {
            let warning = format!("every user of this machine may use the key {key} (mode {mode:o})");
            assert_eq!(said.contains(&warning), warned, "{said}");
        }
    }
}

#[cfg(unix)]
fn chmod(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Nothing is damaged there: it is the wrong place.
#[test]
fn a_wrong_folder_is_told_from_a_damaged_one() {
    let folder = Folder::new();
    let (data, to) = (folder.text("data"), folder.text("a.backup"));
    let commands = || [run(["backup", "--data", &data, "--to", &to]), run(["rotate-key", "--data", &data])];
    let refused = |says: &[&str]| {
        for refused in commands() {
            assert_fails(&refused, 1, says);
            assert!(!stderr(&refused).contains("damaged") && !folder.path("a.backup").exists());
        }
    };
    refused(&["there is no push service in", "is --data right"]);
    assert!(!folder.path("data").exists(), "nothing was made");
    fs::create_dir(folder.path("data")).unwrap();
    refused(&["there is no push service in", "is --data right"]);
    fs::create_dir(folder.path("data/store")).unwrap();
    refused(&["there is no push service in", "is --data right"]);
    folder.file("data/sealing.key", "x");
    refused(&["a sealing key", "without its store"]);
    assert_eq!(fs::read_dir(folder.path("data/store")).unwrap().count(), 0, "nothing was made");
}
