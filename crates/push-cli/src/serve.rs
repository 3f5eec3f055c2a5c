//! `webpush serve`
use crate::{config::Config, error::Result};
pub(crate) fn run(_: Config) -> Result<()> { Ok(()) }
