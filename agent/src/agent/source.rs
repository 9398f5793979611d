//! Where the configuration comes from.

use std::path::PathBuf;

use serf_tokio::files::load_tags;

use crate::config::{RawConfig, Settings};

/// Where the configuration comes from; read again on SIGHUP.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Files and directories, in the order of the command line.
    pub(crate) paths: Vec<PathBuf>,
    /// What the flags say; they come last.
    pub(crate) flags: RawConfig,
}

/// A configuration that an agent can run on.
#[derive(Debug)]
pub(crate) struct Checked {
    /// All of it as JSON.
    pub(crate) effective: String,
    /// What the operator should know about it.
    pub(crate) warnings: Vec<String>,
}

impl Source {
    /// Reads and checks everything, the tags file included.
    pub(super) fn read(&self) -> Result<Settings, String> {
        let mut settings = settings(self.merge()?)?;
        if let Some(path) = &settings.tags_file {
            let restored = load_tags(path).map_err(|error| setup(&error))?;
            settings.tags = restored.unwrap_or_default();
        }
        Ok(settings)
    }

    /// Checks the configuration without running on it. The answer to what is wrong is a text for
    /// the operator.
    pub(crate) fn check(&self) -> Result<Checked, String> {
        let settings = self.read()?;
        if settings.interface.is_some() {
            super::run::bind_addr(&settings)?;
        }
        super::run::read_keyring(&settings)?;
        Ok(Checked {
            effective: self.merge()?.effective(&host_name()),
            warnings: settings.warnings,
        })
    }

    fn merge(&self) -> Result<RawConfig, String> {
        let mut raw = RawConfig::default();
        for path in &self.paths {
            raw = raw.merge(RawConfig::from_path(path).map_err(|error| error.to_string())?);
        }
        Ok(raw.merge(self.flags.clone()))
    }
}

fn settings(raw: RawConfig) -> Result<Settings, String> {
    Settings::new(raw, &host_name()).map_err(|error| error.to_string())
}

fn setup(error: &impl ToString) -> String {
    format!("Failed to setup the Serf agent: {}", error.to_string())
}

/// The name of this machine.
pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}
