//! The configuration file of `serve`: TOML, a key for each flag.

use std::{ffi::OsString, ops::Range, path::Path};

use clap::{Arg, ArgAction};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Key, check};
use crate::{
    error::{Error, Result},
    files,
};

/// An argument that the file has a value for.
pub(super) struct Given {
    pub(super) id: String,
    /// As its flag takes them.
    pub(super) values: Vec<OsString>,
    /// Where they stand: `webpush.toml:7:14`.
    pub(super) place: String,
}

/// What the file at `path` says.
///
/// # Errors
///
/// It cannot be read; it is no TOML; a key that no flag has, a value that its flag does not take. With line and column.
pub(super) fn read(path: &Path, arguments: &[Arg]) -> Result<Vec<Given>> {
    let text = files::read_secret_text(path, FILE_OCTETS_MAX)?;
    let place = |at| {
        let (line, column) = line_and_column(&text, at);
        format!("{}:{line}:{column}", path.display())
    };
    let parsed = parse(&text, arguments).map_err(|wrong| {
        let error = Error::usage(format!("{}: {}", place(wrong.at), wrong.what));
        wrong.hint.into_iter().fold(error, Error::hint)
    })?;
    Ok(parsed.into_iter().map(|(id, values, at)| Given { id, values, place: place(at) }).collect())
}

/// What is wrong, and where it begins: octets into the text.
#[derive(Debug)]
struct Wrong {
    at: usize,
    what: String,
    hint: Option<String>,
}

impl Wrong {
    fn new(at: &Range<usize>, what: impl Into<String>) -> Self {
        Self { at: at.start, what: what.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A key and its value, as they stand in the file.
struct Entry<'a> {
    key: Key,
    at: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

/// The identities of arguments, their values, and where these begin.
fn parse(text: &str, arguments: &[Arg]) -> std::result::Result<Vec<(String, Vec<OsString>, usize)>, Wrong> {
    let table = DeTable::parse(text).map_err(|error| {
        Wrong::new(&error.span().unwrap_or_default(), error.message())
            .hint("the file is to be TOML (toml.io)")
    })?;
    let known: Vec<_> = arguments.iter().filter_map(|arg| Some((Key::of(arg)?, arg))).collect();
    let mut entries = entries(table.get_ref(), &known)?;
    // What is wrong first in the file is told first.
    entries.sort_by_key(|entry| entry.at.start);
    let mut given = Vec::new();
    for entry in entries {
        let Some((_, arg)) = known.iter().find(|(key, _)| *key == entry.key) else {
            let hint = nearest(&entry.key, known.iter().map(|(key, _)| key));
            return Err(Wrong::new(&entry.at, format!("unknown key `{}`", entry.key.name)).hint(hint));
        };
        given.push((arg.get_id().to_string(), values(arg, entry.value)?, entry.value.span().start));
    }
    Ok(given)
}

/// All entries: those outside of tables, and those in the tables that there may be.
fn entries<'a>(table: &'a DeTable<'a>, known: &[(Key, &Arg)]) -> std::result::Result<Vec<Entry<'a>>, Wrong> {
    let is_table = |name: &str| known.iter().any(|(key, _)| key.table.as_deref() == Some(name));
    let mut entries = Vec::new();
    for (name, value) in table {
        let key = Key { table: None, name: name.get_ref().to_string() };
        if !is_table(&key.name) {
            entries.push(Entry { key, at: name.span(), value });
            continue;
        }
        let DeValue::Table(inner) = value.get_ref() else {
            let what = format!("`{0}` is a table: write [{0}] in a line above its keys", key.name);
            return Err(Wrong::new(&value.span(), what));
        };
        entries.extend(inner.iter().map(|(name, value)| {
            let key = Key { table: Some(key.name.clone()), name: name.get_ref().to_string() };
            Entry { key, at: name.span(), value }
        }));
    }
    Ok(entries)
}

/// The values as the flag takes them, each checked by its parser.
fn values(arg: &Arg, value: &Spanned<DeValue<'_>>) -> std::result::Result<Vec<OsString>, Wrong> {
    if let (DeValue::Array(values), ArgAction::Append) = (value.get_ref(), arg.get_action()) {
        return values.iter().map(|value| Ok(one(arg, value)?.into())).collect();
    }
    Ok(vec![one(arg, value)?.into()])
}

fn one(arg: &Arg, value: &Spanned<DeValue<'_>>) -> std::result::Result<String, Wrong> {
    let name = arg.get_long().unwrap_or_default();
    let expected = |what: &str| {
        let found = value.get_ref().type_str();
        Err(Wrong::new(&value.span(), format!("`{name}` is to be {what}, and this is a TOML {found}")))
    };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        let DeValue::Boolean(is) = value.get_ref() else { return expected("true or false") };
        return Ok(is.to_string());
    }
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(_) => return expected("decimal"),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            return expected("a string or a whole number");
        }
    };
    check(arg, &text).map_err(|words| Wrong::new(&value.span(), words))?;
    Ok(text)
}

/// The key that was probably meant, and how it is written.
fn nearest<'a>(unknown: &Key, known: impl Iterator<Item = &'a Key>) -> String {
    let likeness = |key: &Key| {
        let same_table = if key.table == unknown.table { 0.01 } else { 0.0 };
        strsim::jaro_winkler(&key.name, &unknown.name) + same_table
    };
    let best = known.map(|key| (likeness(key), key)).max_by(|one, other| one.0.total_cmp(&other.0));
    match best {
        Some((likeness, Key { table, name })) if likeness > LIKENESS_MIN => match table {
            _ if *table == unknown.table => format!("did you mean `{name}`?"),
            Some(table) => format!("did you mean `{name}` in the table [{table}]?"),
            None => format!("did you mean `{name}`, which stands above all tables?"),
        },
        Some(_) | None => "the keys are the flags of `webpush serve --help` without their dashes".to_owned(),
    }
}

/// Both count from 1; columns are characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// All keys with comments of a page each have less.
const FILE_OCTETS_MAX: u64 = 256 * 1024;

/// Below it two words have not much in common.
const LIKENESS_MIN: f64 = 0.75;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use clap::value_parser;

    use super::*;

    fn arguments() -> Vec<Arg> {
        vec![
            Arg::new("listen").long("listen"),
            Arg::new("dev").long("dev").action(ArgAction::SetTrue),
            Arg::new("proxy").long("proxy").action(ArgAction::Append),
            Arg::new("sender_burst")
                .long("sender-burst")
                .help_heading("Bounds")
                .value_parser(value_parser!(NonZeroU32)),
        ]
    }

    fn parsed(text: &str) -> std::result::Result<Vec<(String, Vec<OsString>, usize)>, Wrong> {
        parse(text, &arguments())
    }

    fn wrong(text: &str) -> (usize, usize, String, String) {
        let wrong = parsed(text).unwrap_err();
        let (line, column) = line_and_column(text, wrong.at);
        (line, column, wrong.what, wrong.hint.unwrap_or_default())
    }

    #[test]
    fn values_are_given_as_flags_take_them() {
        let text = "listen = 'here'\nproxy = ['a', \"b\"]\ndev = true\n[bounds]\nsender-burst = 1_000\n";
        let given: Vec<(String, Vec<String>)> = parsed(text)
            .unwrap()
            .into_iter()
            .map(|(id, values, _)| {
                (id, values.iter().map(|value| value.to_string_lossy().into_owned()).collect())
            })
            .collect();
        let expected = [
            ("listen", vec!["here"]),
            ("proxy", vec!["a", "b"]),
            ("dev", vec!["true"]),
            ("sender_burst", vec!["1000"]),
        ];
        let expected = expected
            .map(|(id, values)| (id.to_owned(), values.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        assert_eq!(given, expected);
        assert!(parsed("").unwrap().is_empty());
        assert_eq!(parsed("bounds.sender-burst = \"7\"").unwrap().len(), 1);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest() {
        for (text, at, what, hint) in [
            ("\n  lisen = 1", (2, 3), "unknown key `lisen`", "did you mean `listen`?"),
            (
                "sender-burst = 1",
                (1, 1),
                "unknown key `sender-burst`",
                "`sender-burst` in the table [bounds]?",
            ),
            ("[bounds]\nlisten = 1", (2, 1), "unknown key `listen`", "above all tables"),
            ("# ä\n[bonds]\nx = 1", (2, 2), "unknown key `bonds`", "flags of `webpush serve --help`"),
            ("frobnicate = 1", (1, 1), "unknown key `frobnicate`", "flags of `webpush serve --help`"),
            // What is wrong first is told first.
            ("zzz = 1\naaa = 1", (1, 1), "unknown key `zzz`", "flags"),
        ] {
            let (line, column, said, hinted) = wrong(text);
            assert_eq!(((line, column), said.as_str()), (at, what), "{text}");
            assert!(hinted.contains(hint), "{text}: {hinted}");
        }
    }

    #[test]
    fn bad_values_are_refused_where_they_stand() {
        for (text, at, what) in [
            ("dev = 'true'", (1, 7), "`dev` is to be true or false, and this is a TOML string"),
            ("listen = true", (1, 10), "`listen` is to be a string or a whole number"),
            ("listen = ['a']", (1, 10), "and this is a TOML array"),
            ("[listen]\na = 1", (1, 1), "and this is a TOML table"),
            ("ä = 1\nlisten = 1.5", (1, 1), "invalid"),
            ("proxy = ['a', 1.5]", (1, 15), "and this is a TOML float"),
            (
                "[bounds]\nsender-burst = 0",
                (2, 16),
                "invalid value '0' for '--sender-burst <sender_burst>': number",
            ),
            ("[bounds]\nsender-burst = 0x10", (2, 16), "`sender-burst` is to be decimal"),
            ("bounds = 1", (1, 10), "`bounds` is a table: write [bounds]"),
            ("listen = 'a'\nlisten = 'b'", (2, 1), "duplicate key"),
            ("listen =\n", (1, 9), ""),
        ] {
            let (line, column, said, _) = wrong(text);
            assert_eq!((line, column), at, "{text}: {said}");
            assert!(said.contains(what), "{text}: {said}");
        }
    }

    #[test]
    fn a_file_has_an_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " ".repeat(256 * 1024)).unwrap();
        assert!(read(file.path(), &arguments()).is_ok());
        std::fs::write(file.path(), " ".repeat(256 * 1024 + 1)).unwrap();
        let error = read(file.path(), &arguments()).err().unwrap().to_string();
        assert!(error.contains("longer than 262144"), "{error}");
    }
}
