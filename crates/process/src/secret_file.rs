//! Secrets for tools that read them from a file: an anonymous file in memory, handed over as an inherited descriptor
//! and named `/dev/fd/N`, so that nothing reaches a disk or an argument list (F-80).
//!
//! A pipe would not do: mariadb-backup then logs in silently as another user, and libpq ignores the file.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::{PermissionsExt, fchown},
    },
};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use secrecy::{ExposeSecret, SecretString};

use crate::Credentials;

/// The content of a file that only the child can read, for options such as `--defaults-extra-file` and `PGPASSFILE`.
///
/// Its content is not redacted from the child's output by itself, because a file is more than its secret: pass the
/// password to [`Command::redact`](crate::Command::redact) too.
#[derive(Debug, Clone)]
pub struct SecretFile {
    content: SecretString,
}

impl SecretFile {
    /// A file with this content. It comes into being when the child is started.
    pub fn new(content: SecretString) -> Self {
        Self { content }
    }

    /// Writes the content into a sealed memory file of mode 0600 that belongs to `reader`. The mode matters beyond
    /// secrecy: libpq ignores a password file that others may read.
    pub(crate) fn open(&self, reader: Credentials) -> io::Result<OpenSecretFile> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create(c"secret", flags)?);
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(self.content.expose_secret().as_bytes())?;
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        if reader != Credentials::current() {
            fchown(&file, Some(reader.uid), Some(reader.gid))?;
        }
        Ok(OpenSecretFile { file })
    }
}

/// A secret file in memory, closed on exec until the child that it is for says otherwise after its fork.
pub(crate) struct OpenSecretFile {
    file: File,
}

impl OpenSecretFile {
    /// The number under which the child inherits it: the same as here, so it cannot collide with another descriptor.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Its name in the child.
    pub(crate) fn name(&self) -> String {
        format!("/dev/fd/{}", self.descriptor())
    }
}
