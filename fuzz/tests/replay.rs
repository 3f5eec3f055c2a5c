//! Everything that was found once, given to its target again: the corpora, and what once broke something.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use flate2::read::GzDecoder;
use push_fuzz::{TARGETS, Target};
use tar::Archive;

/// Each corpus is there, and none of it breaks its target.
#[test]
fn corpora() {
    for (name, target) in TARGETS {
        let path = folder("corpus").join(format!("{name}.tar.gz"));
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut count = 0;
        for entry in Archive::new(GzDecoder::new(file)).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut octets = Vec::new();
            entry.read_to_end(&mut octets).unwrap();
            if entry.header().entry_type().is_file() {
                run(name, &entry.path().unwrap(), *target, &octets);
                count += 1;
            }
        }
        assert!(count > 0, "the corpus of {name} is empty");
        println!("{name}: {count} inputs");
    }
}

/// `regressions/<target>/`: inputs that broke something before it was mended.
#[test]
fn regressions() {
    for entry in fs::read_dir(folder("regressions")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let (name, target) =
            TARGETS.iter().find(|(name, _)| path.ends_with(name)).expect("named by its target");
        for input in fs::read_dir(&path).unwrap() {
            let input = input.unwrap().path();
            run(name, &input, *target, &fs::read(&input).unwrap());
        }
    }
}

/// No input at all is an input.
#[test]
fn nothing() {
    for (name, target) in TARGETS {
        run(name, Path::new("nothing"), *target, &[]);
    }
}

fn run(name: &str, input: &Path, target: Target, octets: &[u8]) {
    let outcome = std::panic::catch_unwind(|| target(octets));
    assert!(outcome.is_ok(), "{name} breaks on {}", input.display());
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
