//! What a run of `cargo test` said.

use std::collections::BTreeMap;

/// The tests that passed, by the source file of their binary: `tests/service/main.rs`, `src/lib.rs`. How often each
/// did, since several crates may have a binary of that name, or run the same source.
#[derive(Debug, Default)]
pub(crate) struct Log {
    passed: BTreeMap<(String, String), usize>,
}

impl Log {
    pub(crate) fn parse(text: &str) -> Self {
        let mut log = Self::default();
        let mut binary = String::new();
        for line in text.lines() {
            if let Some(running) = line.trim_start().strip_prefix("Running ") {
                let source = running.split(" (").next().unwrap_or_default();
                source.trim_start_matches("unittests ").clone_into(&mut binary);
            } else if let Some(name) =
                line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok"))
            {
                let name = name.trim_end_matches(" - should panic").to_owned();
                *log.passed.entry((binary.clone(), name)).or_default() += 1;
            }
        }
        log
    }

    /// Whether this test of this binary passed, in each crate that has it.
    pub(crate) fn passed(&self, binary: &str, name: &str, crates: usize) -> bool {
        self.passed.get(&(binary.to_owned(), name.to_owned())).is_some_and(|times| *times >= crates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_passed_if_its_own_binary_says_so() {
        let log = Log::parse(
            "     Running unittests src/lib.rs (target/debug/deps/x-1)\n\
             test time::tests::a ... ok\ntest time::tests::b ... FAILED\n\
             \x20    Running tests/service/main.rs (target/debug/deps/service-2)\n\
             test limits::c - should panic ... ok\ntest limits::d ... ignored\n",
        );
        for (binary, name, passed) in [
            ("src/lib.rs", "time::tests::a", true),
            ("src/lib.rs", "time::tests::b", false),
            ("tests/service/main.rs", "time::tests::a", false),
            ("tests/service/main.rs", "limits::c", true),
            ("tests/service/main.rs", "limits::d", false),
        ] {
            assert_eq!(log.passed(binary, name, 1), passed, "{binary} {name}");
            assert!(!log.passed(binary, name, 2));
        }
    }
}
