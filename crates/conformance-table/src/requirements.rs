//! The requirements, and the reasons for those that no test can prove.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{Fault, read};

/// One requirement, as `docs/requirements.json` has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    pub(crate) document: String,
    pub(crate) section: String,
    pub(crate) level: String,
    pub(crate) who: String,
    pub(crate) requirement: String,
}

impl Requirement {
    /// Whether the table has it.
    pub(crate) fn is_ours(&self) -> bool {
        DOCUMENTS
            .iter()
            .any(|document| self.id.strip_prefix(document).is_some_and(|rest| rest.starts_with('-')))
    }

    /// Whether it must hold.
    pub(crate) fn is_must(&self) -> bool {
        self.level.contains("MUST")
    }
}

/// All requirements, in the order of the documents.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) requirements: Vec<Requirement>,
    /// Why no test proves it, by id.
    pub(crate) reasons: BTreeMap<String, String>,
}

impl Catalogue {
    pub(crate) fn read(docs: &Path) -> Result<Self, Fault> {
        Ok(Self {
            requirements: json(&docs.join("requirements.json"))?,
            reasons: json(&docs.join("conformance-reasons.json"))?,
        })
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.requirements.iter().any(|requirement| requirement.id == id)
    }
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, Fault> {
    serde_json::from_str(&read(path)?).map_err(|error| Fault::new(&path.display(), &error))
}

/// RFC 8030, RFC 8292, and what carries them: server push of RFC 9113, `Prefer` of RFC 7240.
const DOCUMENTS: [&str; 4] = ["8030", "8292", "9113", "7240"];
