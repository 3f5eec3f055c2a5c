//! What a command is told, and by whom. Whoever comes first in this order counts: the command line, the environment, the
//! configuration file (`serve`), the default. For each value there is one parser, clap's for the flag: what comes from
//! elsewhere goes through it too.

mod file;
mod secret;
mod variables;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
};

use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _, parser::ValueSource};

use self::file::Given;
use crate::{args::Args, error::Error};

/// What a command is told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) args: Args,
    /// Of `serve`: all that the configuration file may hold, in the order of `--help`. Of other commands nothing.
    pub(crate) told: Vec<Told>,
    /// Of `serve`: what is said to no use, a sentence each.
    pub(crate) useless: Vec<String>,
}

/// One value that `serve` was told, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) key: Key,
    pub(crate) by: By,
    /// Where it is written, in the file or as the name of a variable; empty for the command line and the default.
    pub(crate) place: String,
    /// As it was written; empty without any.
    pub(crate) values: Vec<OsString>,
}

/// Who told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Flag,
    Environment,
    File,
    Default,
}

/// Where a flag is in the configuration file: under its own name, in the table that is named as its heading in `--help`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) table: Option<String>,
    pub(crate) name: String,
}

/// Why a command is not run.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The command line or the environment makes no sense; or help was asked for.
    CommandLine(clap::Error),
    /// A file does not.
    File(Error),
}

/// Reads what this command line, the environment and the configuration file say.
///
/// # Errors
///
/// The first thing that makes no sense, and where it is.
pub(crate) fn read(words: &[OsString]) -> Result<Settings, Refused> {
    let mut command = Args::command();
    let mut matches = command.clone().try_get_matches_from(words).map_err(|error| {
        // It names the command, if there is one.
        let name = words.iter().find_map(|word| command.find_subcommand(word).map(Command::get_name));
        variables::refused(error, &arguments(&command, name.unwrap_or_default()), words)
    })?;
    let Some((name, of_command)) = matches.subcommand() else {
        return finish(&matches, Vec::new(), Vec::new());
    };
    let name = name.to_owned();
    let arguments = arguments(&command, &name);
    let by_file = match config_file(&name, of_command) {
        Some(path) => file::read(&path, &arguments).map_err(Refused::File)?,
        None => Vec::new(),
    };
    let by_secret = secret::read(&arguments, |name| std::env::var_os(name)).map_err(Refused::File)?;
    if !by_file.is_empty() || !by_secret.is_empty() {
        let by_file = by_file.iter().map(|given| (&given.id, &given.values));
        for (id, values) in by_file.chain(by_secret.iter().map(|(id, values)| (id, values))) {
            command = by_default(command, &name, id, values);
        }
        matches = command.clone().try_get_matches_from(words)?;
    }
    if name != SERVE {
        return finish(&matches, Vec::new(), Vec::new());
    }
    let useless = variables::unknown(&command, std::env::vars_os().map(|(name, _)| name));
    let told = told(&arguments, &matches, &by_file);
    finish(&matches, told, useless)
}

fn finish(matches: &ArgMatches, told: Vec<Told>, useless: Vec<String>) -> Result<Settings, Refused> {
    Ok(Settings { args: Args::from_arg_matches(matches)?, told, useless })
}

/// An error about flags, with the places where what it is about was written instead.
pub(crate) fn placed(error: Error, told: &[Told]) -> Error {
    let is_about = |told: &&Told| {
        !told.place.is_empty() && told.values != ["false"] && error.is_about(&format!("--{}", told.key.name))
    };
    let places: Vec<_> = told.iter().filter(is_about).map(|told| told.place.clone()).collect();
    if places.is_empty() { error } else { error.at(&places.join(", ")) }
}

fn config_file(name: &str, of_command: &ArgMatches) -> Option<PathBuf> {
    if name == SERVE { of_command.get_one::<PathBuf>(CONFIG).cloned() } else { None }
}

/// What a command takes, and what all take.
fn arguments(command: &Command, name: &str) -> Vec<Arg> {
    let of_all = command.get_arguments().filter(|arg| arg.is_global_set());
    let of_command = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    of_all.chain(of_command).cloned().collect()
}

/// What clap takes for an argument that neither the command line nor the environment names.
fn by_default(command: Command, name: &str, id: &str, values: &[OsString]) -> Command {
    let default = |arg: Arg| {
        let is_secret = arg.is_hide_env_values_set();
        arg.default_values_os(values.to_vec()).hide_default_value(is_secret)
    };
    if command.get_arguments().any(|arg| arg.get_id() == id) {
        command.mut_arg(id, default)
    } else {
        command.mut_subcommand(name, |of_command| of_command.mut_arg(id, default))
    }
}

fn told(arguments: &[Arg], matches: &ArgMatches, by_file: &[Given]) -> Vec<Told> {
    let of_command = matches.subcommand().map_or(matches, |(_, of_command)| of_command);
    let told = |arg: &Arg| {
        let key = Key::of(arg)?;
        let id = arg.get_id().as_str();
        let matches = if arg.is_global_set() { matches } else { of_command };
        let given = by_file.iter().find(|given| given.id == id);
        let (by, place) = match (matches.value_source(id), given) {
            (Some(ValueSource::CommandLine), _) => (By::Flag, String::new()),
            (Some(ValueSource::EnvVariable), _) => {
                (By::Environment, arg.get_env().map(|name| name.display().to_string()).unwrap_or_default())
            }
            (_, Some(given)) => (By::File, given.place.clone()),
            (_, None) => (By::Default, String::new()),
        };
        let values = matches.get_raw(id).into_iter().flatten().map(OsStr::to_owned).collect();
        Some(Told { key, by, place, values })
    };
    arguments.iter().filter_map(told).collect()
}

/// Gives one value to the parser of its flag.
///
/// # Errors
///
/// What clap says of the flag with this value.
fn check(arg: &Arg, value: &str) -> Result<(), String> {
    let flag = format!("--{}={value}", arg.get_long().unwrap_or_default());
    let alone = Command::new("webpush").no_binary_name(true).disable_help_flag(true).arg(arg.clone());
    match alone.try_get_matches_from([flag]) {
        Ok(_) => Ok(()),
        Err(error) => Err(words(&error)),
    }
}

/// What clap says, without how to ask it for help.
fn words(error: &clap::Error) -> String {
    let said = error.render().to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    said.split("\n\nUsage:").next().unwrap_or_default().trim_end().to_owned()
}

impl Key {
    /// That of an argument; none if it cannot be in the file.
    fn of(arg: &Arg) -> Option<Self> {
        let name = arg.get_long().filter(|name| !NOT_IN_THE_FILE.contains(name))?.to_owned();
        Some(Self { table: arg.get_help_heading().map(str::to_lowercase), name })
    }

    /// Whether SIGHUP is enough for it.
    pub(crate) fn is_reloadable(&self) -> bool {
        self.table.as_deref() == Some(BOUNDS) || RELOADABLE.contains(&self.name.as_str())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.iter().try_for_each(|table| write!(f, "{table}."))?;
        f.write_str(&self.name)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "command line",
            Self::Environment => "environment",
            Self::File => "configuration file",
            Self::Default => "default",
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(error) => f.write_str(&words(error)),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(error)
    }
}

/// The command that has a configuration file, and its flag for it.
const SERVE: &str = "serve";
const CONFIG: &str = "config";

/// The table of the bounds, and what else can change while it serves.
const BOUNDS: &str = "bounds";
const RELOADABLE: [&str; 3] = ["tls-cert", "tls-key", "drain"];

/// These say what to do with the file.
const NOT_IN_THE_FILE: [&str; 2] = [CONFIG, "check"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command as Asked;

    fn of_serve() -> Vec<Arg> {
        arguments(&Args::command(), SERVE)
    }

    /// By flag, by environment, by file: all the same.
    #[test]
    fn each_flag_of_serve_has_a_key_and_a_variable() {
        for arg in of_serve() {
            let name = arg.get_long().unwrap().to_owned();
            let variable = format!("WEBPUSH_{}", name.to_uppercase().replace('-', "_"));
            if name != "check" {
                assert_eq!(arg.get_env(), Some(OsStr::new(&variable)), "--{name}");
            }
            assert_eq!(Key::of(&arg).is_some(), !NOT_IN_THE_FILE.contains(&name.as_str()), "--{name}");
        }
    }

    /// A secret is read from a file by its command only, so no command further down may have one.
    #[test]
    fn secrets_are_of_commands_and_not_of_theirs() {
        fn hidden(command: &Command, depth: usize, found: &mut Vec<(String, usize)>) {
            let of_command = command.get_arguments().filter(|arg| arg.is_hide_env_values_set());
            found.extend(of_command.map(|arg| (arg.get_id().to_string(), depth)));
            command.get_subcommands().for_each(|inner| hidden(inner, depth + 1, found));
        }
        let mut found = Vec::new();
        hidden(&Args::command(), 0, &mut found);
        assert_eq!(found, [("proxy".to_owned(), 1)]);
    }

    /// The table of docs/self-hosting.md is this.
    #[test]
    fn the_table_of_keys_is_documented() {
        let rows = of_serve().into_iter().filter_map(|arg| {
            let key = Key::of(&arg)?;
            let reloaded = if key.is_reloadable() { "SIGHUP" } else { "restart" };
            let default = arg.get_default_values().iter().map(|value| value.to_string_lossy());
            let default = default.collect::<Vec<_>>().join(", ");
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            let help = arg.get_help().unwrap().to_string();
            Some((key.table.clone(), format!("| `{}` | {default} | {reloaded} | {help} |", key.name)))
        });
        let table = |wanted: Option<&str>| {
            let rows = rows.clone().filter(|(table, _)| table.as_deref() == wanted).map(|(_, row)| row);
            let head = ["| key | default | to change it | |", "|---|---|---|---|"].map(str::to_owned);
            head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
        };
        let documented = include_str!("../../../../docs/self-hosting.md");
        for table in [table(None), table(Some(BOUNDS))] {
            let whole = format!("\n\n{table}\n\n");
            assert!(documented.contains(&whole), "docs/self-hosting.md is to have this table:\n{table}");
        }
    }

    /// The first file that the documentation shows.
    #[test]
    fn the_documented_file_is_read() {
        let documented = include_str!("../../../../docs/self-hosting.md");
        let (_, from) = documented.split_once("```toml\n").unwrap();
        let (example, _) = from.split_once("```").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), example).unwrap();
        let words = ["webpush", "serve", "--config", file.path().to_str().unwrap()];
        let settings = read(&words.map(OsString::from)).unwrap();
        let Asked::Serve(args) = settings.args.command else { panic!("not serve") };
        args.config().unwrap();
        assert!(settings.told.iter().any(|told| told.by == By::File));
    }
}
