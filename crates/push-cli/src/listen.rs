//! `webpush listen`
use crate::{args::ListenArgs, error::Result};
pub(crate) fn run(_: ListenArgs) -> Result<()> { Ok(()) }
