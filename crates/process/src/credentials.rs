//! Who a child runs as. A root worker runs every tool as the owner of the data directory, so that files come out with
//! the right owner and a bug in a tool cannot touch more than its own server could.

use std::{
    ffi::{CString, OsString},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use nix::unistd::{Gid, Uid, User, getegid, geteuid, getgrouplist};

/// User and group of a child. Its supplementary groups are those of the user's entry in the password database, as
/// `initgroups(3)` would set them, and `HOME` is that entry's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

impl Credentials {
    /// The owner of `path` (a symlink is followed) with the owner's login group; for an owner who is not in the password
    /// database, the group of `path`.
    ///
    /// # Errors
    /// When `path` or the password database cannot be read.
    pub fn of_owner(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let login = User::from_uid(Uid::from_raw(metadata.uid()))?;
        Ok(Self { uid: metadata.uid(), gid: login.map_or(metadata.gid(), |user| user.gid.as_raw()) })
    }

    /// The worker's own effective user and group.
    pub fn current() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// A user by name with the login group; `None` when there is no such user.
    ///
    /// # Errors
    /// When the password database cannot be read.
    pub fn of_user(name: &str) -> io::Result<Option<Self>> {
        let user = User::from_name(name)?;
        Ok(user.map(|user| Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }
}

/// Everything about a child's user, looked up before the fork: afterwards the password database is out of reach.
pub(crate) struct Identity {
    pub home: OsString,
    /// `None` when the child keeps the worker's user.
    pub switch: Option<Switch>,
    /// Who must be able to read the child's secret files.
    pub credentials: Credentials,
}

/// The arguments of `setgroups`, `setgid` and `setuid`.
pub(crate) struct Switch {
    pub uid: libc::uid_t,
    pub gid: libc::gid_t,
    pub groups: Vec<libc::gid_t>,
}

impl Identity {
    pub(crate) fn look_up(run_as: Option<Credentials>) -> io::Result<Self> {
        let current = Credentials::current();
        let credentials = run_as.unwrap_or(current);
        let user = User::from_uid(Uid::from_raw(credentials.uid))?;
        let switch = if credentials == current {
            None
        } else {
            let gid = Gid::from_raw(credentials.gid);
            let groups = match &user {
                Some(user) => getgrouplist(&CString::new(user.name.as_str())?, gid)?,
                None => vec![gid],
            };
            Some(Switch {
                uid: credentials.uid,
                gid: credentials.gid,
                groups: groups.into_iter().map(Gid::as_raw).collect(),
            })
        };
        let home = user.map_or_else(|| OsString::from("/"), |user| user.dir.into_os_string());
        Ok(Self { home, switch, credentials })
    }
}
