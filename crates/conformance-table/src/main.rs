//! Writes `docs/conformance.md` from what stands in the tests and what a real run of them said.
//!
//! ```text
//! cargo test --workspace --locked 2>&1 | tee target/tests.log
//! cargo run -p conformance-table -- target/tests.log            # writes the table
//! cargo run -p conformance-table -- target/tests.log --check    # fails if the table is not that, or is not complete
//! ```
//!
//! A test proves the requirements whose ids it cites, anywhere between its first doc comment and its closing brace, if
//! the log says that it ran and passed. A script in `interop/` proves those that it cites: the gate runs them all. A
//! requirement that no test can prove has a reason in `docs/conformance-reasons.json`.
#![forbid(unsafe_code)]

mod log;
mod requirements;
mod sources;
mod table;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{log::Log, requirements::Catalogue, sources::Citations, table::Table};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (log, check) = (arguments.next(), arguments.next());
    let check = check.is_some_and(|flag| flag == "--check");
    let done = match log {
        Some(log) => run(Path::new(&log), check),
        None => Err(Fault::new(&"usage", &"conformance-table LOG [--check]")),
    };
    match done {
        Ok(said) => {
            say(&said);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            say(&fault.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(log: &Path, check: bool) -> Result<String, Fault> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let catalogue = Catalogue::read(&root.join("docs"))?;
    let log = Log::parse(&read(log)?);
    let citations = Citations::read(&root, &catalogue)?;
    let table = Table::new(&catalogue, &citations, &log);
    let path = root.join("docs/conformance.md");
    let complaints = table.complaints();
    if check {
        if !complaints.is_empty() {
            return Err(Fault::new(&"the requirements are not all proven", &complaints.join("\n")));
        }
        if read(&path)? != table.to_string() {
            return Err(Fault::new(&"docs/conformance.md", &"is not what this run says: write it anew"));
        }
        return Ok(format!("docs/conformance.md is what this run says: {}", table.summary()));
    }
    fs::write(&path, table.to_string()).map_err(|error| Fault::new(&"docs/conformance.md", &error))?;
    Ok(format!("{}\n{}", complaints.join("\n"), table.summary()))
}

fn read(path: &Path) -> Result<String, Fault> {
    fs::read_to_string(path).map_err(|error| Fault::new(&path.display(), &error))
}

/// The entries of a folder, in order; none if there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[expect(clippy::print_stderr, reason = "it is what a person reads")]
fn say(text: &str) {
    eprintln!("{}", text.trim_start());
}

/// Why there is no table: where, and what.
#[derive(Debug)]
struct Fault(String);

impl Fault {
    fn new(place: &dyn fmt::Display, what: &dyn fmt::Display) -> Self {
        Self(format!("{place}: {what}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
