//! The variables of this program: those that mean nothing, and those of which clap would say that they are flags.

use std::{collections::BTreeSet, ffi::OsString};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue},
};

use super::{Refused, secret, words};
use crate::error::Error;

/// Those of this environment that no argument of any command has, and what may have been meant.
pub(super) fn unknown(command: &Command, environment: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut known = BTreeSet::new();
    collect(command, &mut known);
    let ours = environment.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with(PREFIX));
    let ours: BTreeSet<_> = ours.collect();
    let is_link = |name: &str| {
        ours.contains(LINK)
            && LINKS.iter().any(|link| name.strip_prefix(PREFIX).is_some_and(|name| name.starts_with(link)))
    };
    let unknown = ours.iter().filter(|name| !known.contains(*name) && !is_link(name));
    unknown.map(|name| told(name, &known)).collect()
}

fn collect(command: &Command, known: &mut BTreeSet<String>) {
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env() else { continue };
        known.insert(name.to_string_lossy().into_owned());
        if arg.is_hide_env_values_set() {
            known.insert(secret::file_variable(name).to_string_lossy().into_owned());
        }
    }
    command.get_subcommands().for_each(|of_command| collect(of_command, known));
}

fn told(name: &str, known: &BTreeSet<String>) -> String {
    let likeness = |known: &&String| strsim::jaro_winkler(known, name);
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let nearest = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
    format!("the variable {name} means nothing{nearest}")
}

/// What clap says of the command line, where a variable is at fault with the name of that.
pub(super) fn refused(error: clap::Error, arguments: &[Arg], line: &[OsString]) -> Refused {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return Refused::CommandLine(error);
    };
    let flag = flag.split([' ', '=', '.']).next().unwrap_or_default();
    let is_on_line = line.iter().any(|word| {
        let word = word.to_string_lossy();
        word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let arg =
        arguments.iter().find(|arg| arg.get_long().is_some_and(|name| flag.strip_prefix("--") == Some(name)));
    match arg.and_then(Arg::get_env).filter(|name| !is_on_line && std::env::var_os(name).is_some()) {
        Some(name) => Refused::File(Error::usage(format!("{}: {}", name.display(), words(&error)))),
        None => Refused::CommandLine(error),
    }
}

const PREFIX: &str = "WEBPUSH_";
/// Kubernetes tells every container where a service by the name of `webpush` is.
const LINK: &str = "WEBPUSH_SERVICE_HOST";
const LINKS: [&str; 2] = ["SERVICE_", "PORT"];
