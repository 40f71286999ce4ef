//! As whom a server runs: its system user when we are root (PostgreSQL and MariaDB refuse root), ourselves otherwise.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::unistd::{Uid, User, chown, geteuid};

use crate::command;

/// The account that a server runs under.
#[derive(Clone, Debug)]
pub(crate) struct SystemUser {
    /// `None`: as ourselves.
    other: Option<User>,
}

impl SystemUser {
    /// The account for an engine whose packages made the user `name`.
    pub(crate) fn for_server(name: &str) -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { other: None });
        }
        let user = User::from_name(name)
            .with_context(|| format!("look up the system user {name}"))?
            .with_context(|| format!("there is no system user {name}: install its server"))?;
        Ok(Self { other: Some(user) })
    }

    /// The name of the other account, or `None` for ourselves.
    pub(crate) fn name(&self) -> Option<&str> {
        self.other.as_ref().map(|user| user.name.as_str())
    }

    /// Gives `path` itself, not what is below it, to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match &self.other {
            Some(user) => chown(path, Some(user.uid), Some(user.gid))
                .with_context(|| format!("give {} to {}", path.display(), user.name)),
            None => Ok(()),
        }
    }

    /// Gives `path` and all below it to this account.
    pub(crate) fn own_tree(&self, path: &Path) -> Result<()> {
        match &self.other {
            Some(user) => {
                let owner = format!("{}:{}", user.uid, user.gid);
                let mut chown = Command::new("chown");
                chown.args(["-R", "-h", &owner, "--"]).arg(path);
                command::run(chown).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Makes `command` run as this account.
    pub(crate) fn run_as(&self, command: &mut Command) {
        if let Some(user) = &self.other {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
    }

    /// An argument list that runs what follows it as this account, for a caller that is who we are.
    pub(crate) fn run_as_prefix(&self) -> Vec<String> {
        match self.name() {
            Some(name) => ["/usr/sbin/runuser", "-u", name, "--"].map(String::from).to_vec(),
            None => Vec::new(),
        }
    }
}

/// The name of the account that this process runs under, as the engines' peer authentication sees it.
pub(crate) fn current_user_name() -> Result<String> {
    let user = User::from_uid(Uid::effective()).context("look up the current user")?;
    Ok(user.context("the current user has no name")?.name)
}
