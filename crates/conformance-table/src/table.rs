//! The table itself.

use std::{collections::BTreeSet, fmt};

use crate::{
    log::Log,
    requirements::{Catalogue, Requirement},
    sources::{Citations, Proof},
};

/// Every requirement with what proves it.
pub(crate) struct Table<'a> {
    rows: Vec<Row<'a>>,
    complaints: Vec<String>,
}

struct Row<'a> {
    requirement: &'a Requirement,
    proofs: Vec<String>,
    reason: Option<&'a str>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue, citations: &Citations, log: &Log) -> Self {
        let mut complaints: Vec<String> = citations
            .unknown
            .iter()
            .map(|(id, place)| format!("{place} cites {id}, which is no requirement"))
            .collect();
        let mut rows = Vec::new();
        for requirement in catalogue.requirements.iter().filter(|requirement| requirement.is_ours()) {
            let id = &requirement.id;
            let mut proofs = Vec::new();
            for proof in citations.proofs.get(id).into_iter().flatten() {
                match shown(proof, citations, log) {
                    Some(shown) => proofs.push(shown),
                    None => complaints.push(format!("{id}: {proof:?} did not run, or did not pass")),
                }
            }
            let reason = catalogue.reasons.get(id).map(String::as_str);
            match (proofs.is_empty(), reason) {
                (true, None) => {
                    complaints.push(format!("{id} ({}): neither a test nor a reason", requirement.level));
                }
                (false, Some(_)) => complaints.push(format!("{id}: a test proves it, so it needs no reason")),
                (true, Some(_)) | (false, None) => {}
            }
            rows.push(Row { requirement, proofs, reason });
        }
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.requirement.id.as_str()).collect();
        let strange = catalogue.reasons.keys().filter(|id| !ids.contains(id.as_str()));
        complaints.extend(strange.map(|id| format!("{id}: a reason for what is no requirement here")));
        Self { rows, complaints }
    }

    /// What is wrong with it.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let proven = |row: &&Row<'_>| !row.proofs.is_empty();
        let musts = || self.rows.iter().filter(|row| row.requirement.is_must());
        format!(
            "{} requirements, {} proven by tests; {} MUST and MUST NOT, {} proven by tests",
            self.rows.len(),
            self.rows.iter().filter(proven).count(),
            musts().count(),
            musts().filter(proven).count(),
        )
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Conformance\n")?;
        writeln!(
            f,
            "Every requirement of RFC 8030 and RFC 8292, and of what carries them, with the tests that prove it or"
        )?;
        writeln!(
            f,
            "the reason why none can. Generated from a run of the tests by `conformance-table`; the gate fails if"
        )?;
        writeln!(
            f,
            "it is out of date, or if a requirement has neither. A test's name follows the crates it is in.\n"
        )?;
        writeln!(f, "{}.", self.summary())?;
        let mut heading = "";
        for row in &self.rows {
            let Requirement { id, document, section, level, who, requirement } = row.requirement;
            if heading != document {
                writeln!(f, "\n## {document}\n\n| id | section | level | who | requirement | proof |")?;
                writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
                heading = document;
            }
            let proof = if row.proofs.is_empty() {
                format!("*{}*", row.reason.unwrap_or("none"))
            } else {
                row.proofs.join("<br>")
            };
            let section = if section == document { "" } else { section };
            writeln!(
                f,
                "| {id} | {section} | {level} | {who} | {} | {proof} |",
                requirement.replace('|', "\\|")
            )?;
        }
        Ok(())
    }
}

/// How a proof is shown, if it holds.
fn shown(proof: &Proof, citations: &Citations, log: &Log) -> Option<String> {
    match proof {
        Proof::Test { binary, name } => {
            let crates = citations.crates.get(proof)?;
            let held = log.passed(binary, name, crates.len());
            let crates: Vec<_> = crates.iter().map(String::as_str).collect();
            held.then(|| format!("{} `{name}`", crates.join(", ")))
        }
        Proof::Script(path) => Some(format!("`{path}`")),
    }
}
