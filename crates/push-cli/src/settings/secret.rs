//! Secrets that are not to be seen in the environment: `NAME_FILE` names a file that holds what `NAME` would.

use std::ffi::{OsStr, OsString};

use clap::Arg;

use crate::{
    error::{Error, Result},
    files,
};

/// The identities of the arguments whose variable may hold a secret and whose file was named instead, and what it holds.
///
/// # Errors
///
/// Both the variable and its `_FILE` are set; the file cannot be read, or holds what the flag does not take.
pub(super) fn read(
    arguments: &[Arg],
    variable: impl Fn(&OsString) -> Option<OsString>,
) -> Result<Vec<(String, Vec<OsString>)>> {
    let mut given = Vec::new();
    for arg in arguments.iter().filter(|arg| arg.is_hide_env_values_set()) {
        let Some(name) = arg.get_env().map(ToOwned::to_owned) else { continue };
        let of_file = file_variable(&name);
        let Some(path) = variable(&of_file) else { continue };
        let (name_shown, of_file) = (name.display(), of_file.display());
        if variable(&name).is_some() {
            return Err(Error::usage(format!("both {name_shown} and {of_file} are set"))
                .hint("which one counts would be a guess: unset one of them"));
        }
        let secret = files::read_secret_text(path.as_ref(), SECRET_OCTETS_MAX)
            .map_err(|error| error.hint(format!("{of_file} names it")))?;
        // Editors and `echo` end a file with a line feed.
        let secret = secret.trim_end_matches(['\n', '\r']);
        given.push((arg.get_id().to_string(), vec![OsString::from(secret)]));
    }
    Ok(given)
}

/// The variable that names the file.
pub(super) fn file_variable(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push("_FILE");
    name
}

/// Far more than a URL with a password has.
const SECRET_OCTETS_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> Result<Vec<(String, Vec<OsString>)>> {
        let arguments = [
            Arg::new("proxy").long("proxy").env("PROXY").hide_env_values(true),
            Arg::new("data").long("data").env("DATA"),
        ];
        read(&arguments, |name| {
            variables.iter().find(|(known, _)| name.to_str() == Some(known)).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn a_secret_is_read_from_the_file_that_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, "http://u:secretsecret@h\n").unwrap();
        let read = given(&[("PROXY_FILE", path), ("DATA_FILE", "/nowhere")]).unwrap();
        assert_eq!(read, [("proxy".to_owned(), vec!["http://u:secretsecret@h".into()])]);
        assert!(given(&[("PROXY", "x")]).unwrap().is_empty());

        let both = given(&[("PROXY", "secretsecret"), ("PROXY_FILE", path)]).unwrap_err().to_string();
        assert!(both.contains("both PROXY and PROXY_FILE are set") && !both.contains("secret"), "{both}");
        let nowhere = given(&[("PROXY_FILE", "/nowhere")]).unwrap_err().to_string();
        assert!(nowhere.contains("/nowhere") && nowhere.contains("PROXY_FILE names it"), "{nowhere}");
        std::fs::write(path, "x".repeat(64 * 1024 + 1)).unwrap();
        assert!(given(&[("PROXY_FILE", path)]).unwrap_err().to_string().contains("longer than 65536"));
    }
}
