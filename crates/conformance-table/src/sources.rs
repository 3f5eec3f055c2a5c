//! Which tests there are in the sources, and which requirements they cite.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{Fault, entries, read, requirements::Catalogue};

/// Something that runs and cites requirements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// A test, by the source file of its binary and its name there.
    Test { binary: String, name: String },
    /// A script in `interop/`.
    Script(String),
}

/// Who cites what.
#[derive(Debug, Default)]
pub(crate) struct Citations {
    /// By id.
    pub(crate) proofs: BTreeMap<String, BTreeSet<Proof>>,
    /// The crates that a test is in: more than one where they share a source.
    pub(crate) crates: BTreeMap<Proof, BTreeSet<String>>,
    /// What looks like an id and is none, with its place.
    pub(crate) unknown: BTreeSet<(String, String)>,
}

impl Citations {
    pub(crate) fn read(root: &Path, catalogue: &Catalogue) -> Result<Self, Fault> {
        let mut citations = Self::default();
        for package in entries(&root.join("crates")) {
            let name = file_name(&package);
            for binary in binaries(&package) {
                let shown = binary.strip_prefix(&package).unwrap_or(&binary).display().to_string();
                let mut tests = Tests::default();
                tests.file(&binary, &Module { names: Vec::new(), children: folder(&binary) })?;
                for test in tests.found {
                    let proof = Proof::Test { binary: shown.clone(), name: test.name };
                    citations.cite(&proof, &test.text, &format!("{name} {shown}"), catalogue);
                    citations.crates.entry(proof).or_default().insert(name.clone());
                }
            }
        }
        citations.scripts(&root.join("interop"), root, catalogue);
        Ok(citations)
    }

    fn scripts(&mut self, folder: &Path, root: &Path, catalogue: &Catalogue) {
        for path in entries(folder) {
            let name = file_name(&path);
            if path.is_dir() {
                if !matches!(name.as_str(), "node_modules" | "target") {
                    self.scripts(&path, root, catalogue);
                }
            } else if !name.ends_with(".md")
                && let Ok(text) = fs::read_to_string(&path)
            {
                let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                self.cite(&Proof::Script(shown.clone()), &text, &shown, catalogue);
            }
        }
    }

    fn cite(&mut self, proof: &Proof, text: &str, place: &str, catalogue: &Catalogue) {
        for word in text.split(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '.' | '-'))) {
            let word = word.trim_matches(['.', '-']);
            if catalogue.has(word) {
                self.proofs.entry(word.to_owned()).or_default().insert(proof.clone());
            } else if looks_like_an_id(word) {
                self.unknown.insert((word.to_owned(), place.to_owned()));
            }
        }
    }
}

/// `8030-5.2-1`, or `w3c-recv-1`, of whatever document.
fn looks_like_an_id(word: &str) -> bool {
    let mut parts = word.split('-');
    let (document, section, number) = (parts.next(), parts.next(), parts.next());
    let known = document
        .is_some_and(|document| matches!(document, "8030" | "8188" | "8291" | "8292" | "9113" | "7240"));
    let numbered =
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit()));
    known && section.is_some() && numbered && parts.next().is_none()
}

/// The root files of a package's binaries with tests.
fn binaries(package: &Path) -> Vec<PathBuf> {
    let sources = ["lib.rs", "main.rs"].map(|name| package.join("src").join(name));
    let tests = entries(&package.join("tests")).into_iter().map(|path| match path.is_dir() {
        true => path.join("main.rs"),
        false => path,
    });
    let rust = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|extension| extension == "rs");
    sources.into_iter().chain(tests).filter(rust).collect()
}

/// A module: its path from the root, and the folder of its children.
struct Module {
    names: Vec<String>,
    children: PathBuf,
}

struct Test {
    name: String,
    /// From its first attribute or doc comment to its closing brace.
    text: String,
}

#[derive(Default)]
struct Tests {
    found: Vec<Test>,
}

impl Tests {
    fn file(&mut self, path: &Path, module: &Module) -> Result<(), Fault> {
        let text = read(path)?;
        let tokens = TokenStream::from_str(&text).map_err(|error| Fault::new(&path.display(), &error))?;
        self.items(tokens, &Source { path, text: &text }, module)
    }

    /// Items at one level: functions with `#[test]`, modules, and the insides of macros such as `proptest!`.
    fn items(&mut self, tokens: TokenStream, source: &Source<'_>, module: &Module) -> Result<(), Fault> {
        let mut tokens = tokens.into_iter().peekable();
        let mut attributes = Attributes::default();
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let inner = tokens.next_if(|next| is_punct(next, '!')).is_some();
                    if let Some(TokenTree::Group(group)) = tokens.next()
                        && !inner
                    {
                        attributes.take(token.span().start().line, &group.stream());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == '!' => {
                    if let Some(TokenTree::Group(group)) = tokens.peek() {
                        self.items(group.stream(), source, module)?;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => attributes = Attributes::default(),
                TokenTree::Ident(word) if *word == "fn" || *word == "mod" => {
                    let Some(TokenTree::Ident(name)) = tokens.next() else { continue };
                    let name = name.to_string();
                    let rest = std::iter::from_fn(|| tokens.next());
                    let end = rest.into_iter().find(|token| is_braced(token) || is_punct(token, ';'));
                    let attributes = std::mem::take(&mut attributes);
                    match (word == "fn", end) {
                        (true, Some(TokenTree::Group(body))) if attributes.test => {
                            let first = attributes.line.unwrap_or_else(|| word.span().start().line);
                            let text = source.lines(first, body.span_close().end().line);
                            self.found.push(Test { name: module.path_of(&name), text });
                        }
                        (false, Some(TokenTree::Group(body))) => {
                            self.items(body.stream(), source, &module.child(&name))?;
                        }
                        (false, Some(_)) => self.outside(&name, attributes.path, source, module)?,
                        (true, _) | (false, None) => {}
                    }
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    attributes = Attributes::default();
                }
                TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        Ok(())
    }

    /// A module in a file of its own.
    fn outside(
        &mut self,
        name: &str,
        path: Option<String>,
        source: &Source<'_>,
        module: &Module,
    ) -> Result<(), Fault> {
        let child = module.child(name);
        if let Some(path) = path {
            let path = folder(source.path).join(path);
            let children = folder(&path);
            return self.file(&path, &Module { children, ..child });
        }
        let flat = module.children.join(format!("{name}.rs"));
        if flat.is_file() {
            return self.file(&flat, &child);
        }
        self.file(&child.children.join("mod.rs"), &child)
    }
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// From line `first` to line `last`, counted from 1.
    fn lines(&self, first: usize, last: usize) -> String {
        let lines = self.text.lines().skip(first.saturating_sub(1)).take((last + 1).saturating_sub(first));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Module {
    fn path_of(&self, name: &str) -> String {
        self.names.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::")
    }

    fn child(&self, name: &str) -> Self {
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Self { names, children: self.children.join(name) }
    }
}

/// What stands before an item.
#[derive(Default)]
struct Attributes {
    /// Where the first is.
    line: Option<usize>,
    test: bool,
    path: Option<String>,
}

impl Attributes {
    fn take(&mut self, line: usize, content: &TokenStream) {
        self.line.get_or_insert(line);
        let text = content.to_string();
        self.test |= text == "test";
        if let Some(path) = text.strip_prefix("path = \"") {
            self.path = Some(path.trim_end_matches('"').to_owned());
        }
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_braced(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let mut tests = Tests::default();
        let source = Source { path: Path::new("x.rs"), text };
        let module = Module { names: vec!["m".to_owned()], children: PathBuf::new() };
        tests.items(text.parse().unwrap(), &source, &module).unwrap();
        tests.found.into_iter().map(|test| (test.name, test.text)).collect()
    }

    #[test]
    fn tests_are_found_in_modules_and_macros_with_what_stands_around_them() {
        let text = "#![allow(x)]\n/// not this\nfn other() { a(); }\n\n/// 1-a\n#[test]\nfn first() {\n    // 1-b\n}\n\
                    mod tests {\n    use x;\n    #[test]\n    fn second() -> Result<(), E> { Ok(()) }\n}\n\
                    proptest! {\n    #![config(a)]\n    /// 3\n    #[test]\n    fn third(x in 0..3) { body(x) }\n}\n";
        let found = found(text);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["m::first", "m::tests::second", "m::third"]);
        assert_eq!(found[0].1, "/// 1-a\n#[test]\nfn first() {\n    // 1-b\n}");
        assert!(found[2].1.contains("/// 3") && found[2].1.ends_with("{ body(x) }"));
    }

    #[test]
    fn ids_are_told_from_other_words() {
        for (word, is) in
            [("8030-5.2-1", true), ("8292-4.2-x", false), ("8030-like", false), ("2026-11-25", false)]
        {
            assert_eq!(looks_like_an_id(word), is, "{word}");
        }
    }
}
