//! `config check|show`.

use std::process::ExitCode;

use shoptide_config::process_variables;

use crate::args::{Config, ConfigWhat};
use crate::commands::load_config;
use crate::outln;

pub fn run(args: &Config) -> anyhow::Result<ExitCode> {
    let (ConfigWhat::Check { config } | ConfigWhat::Show { config }) = &args.what;
    // What the configuration alone cannot know: which jobs this program has.
    load_config(config.as_deref())?;
    let text = match &args.what {
        ConfigWhat::Check { config } => shoptide_config::check(config.as_deref(), process_variables()?)?,
        ConfigWhat::Show { config } => shoptide_config::show(config.as_deref(), process_variables()?)?,
    };
    outln!("{}", text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
