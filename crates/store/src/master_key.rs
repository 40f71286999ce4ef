//! The master key, and sealing. Everything secret in the control database is sealed with XChaCha20-Poly1305 and bound to the row
//! that it belongs to: a sealed value copied to another row, or read with another key, does not open. The master key lives
//! in a file and seals the keys ([`crate::keys`]) that seal the rest. // I9

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::StoreError;

const KEY_BYTES: usize = 32;
const KEY_READ_BYTES: u64 = 33;
const NONCE_BYTES: usize = 24;
const ID_BYTES: usize = 8;

/// A key that seals, bound to a place.
#[derive(Clone)]
pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// Of exactly 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        XChaCha20Poly1305::new_from_slice(key).ok().map(Self)
    }

    /// Seals bytes for the place named by `context`.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, StoreError> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.0.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| StoreError::Seal)?;
        Ok(format!("{}{}", hex::encode(nonce), hex::encode(sealed)))
    }

    /// Opens what [`Self::seal`] made for the same place.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = hex::decode(sealed).map_err(|_| StoreError::WrongMasterKey)?;
        let (nonce, message) = bytes.split_at_checked(NONCE_BYTES).ok_or(StoreError::WrongMasterKey)?;
        self.0
            .decrypt(XNonce::from_slice(nonce), Payload { msg: message, aad: context.as_bytes() })
            .map_err(|_| StoreError::WrongMasterKey)
    }
}

/// The key that seals the data keys. It can't be printed, and its memory is wiped when dropped.
#[derive(Clone)]
pub struct MasterKey {
    cipher: Cipher,
    id: String,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MasterKey(redacted)")
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("others may read the master key {path}; hint: chmod 600 {path}")]
    ReadableByOthers { path: PathBuf },
    #[error(
        "the master key {path} must hold exactly {KEY_BYTES} bytes; hint: put the right file back, the secrets in the control database open with no other"
    )]
    WrongLength { path: PathBuf },
    #[error("creating the master key {path}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("putting the new master key in the place of {path}")]
    Replace { path: PathBuf, source: std::io::Error },
    #[error("reading the master key {path}")]
    Read { path: PathBuf, source: std::io::Error },
}

impl MasterKey {
    /// Reads the key, or makes one of 32 random bytes in a new file of mode 0600 and waits until it is on the disk.
    ///
    /// Two processes that start at once end with the same key: the file appears under its name only when it is whole.
    ///
    /// # Errors
    /// When the file is readable by others, has another length, or can't be made or read.
    pub fn load_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        let create = |source| MasterKeyError::Create { path: path.to_owned(), source };
        match Self::load(path) {
            Err(MasterKeyError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let draft = directory.join(format!(".master-key.{}", uuid::Uuid::new_v4()));
        let outcome = write_new(&draft).and_then(|()| match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(directory)?.sync_all(),
        });
        // The draft may be missing when it could not be written; the key is in place or the error is told.
        let _ = std::fs::remove_file(&draft);
        outcome.map_err(create)?;
        Self::load(path)
    }

    /// Reads a key that is there.
    ///
    /// # Errors
    /// When the file is missing, is readable by others, has another length, or can't be read.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        let read = |source| MasterKeyError::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(read)?;
        if file.metadata().map_err(read)?.mode() & 0o077 != 0 {
            return Err(MasterKeyError::ReadableByOthers { path: path.to_owned() });
        }
        // One byte more tells a file that is too long.
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(KEY_READ_BYTES).read_to_end(&mut bytes).map_err(read)?;
        let cipher = Cipher::new(&bytes).ok_or_else(|| MasterKeyError::WrongLength { path: path.to_owned() })?;
        Ok(Self { cipher, id: id_of(&bytes) })
    }

    /// Tells this key from others, and nothing of it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Seals a data key for its place.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<String, StoreError> {
        self.cipher.seal(context, plain)
    }

    /// Opens what [`Self::seal`] made for the same place.
    pub(crate) fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, StoreError> {
        self.cipher.open(context, sealed)
    }
}

/// The first bytes of a hash that stands for nothing else.
fn id_of(key: &[u8]) -> String {
    let digest = Sha256::new().chain_update("holdfast master key\0").chain_update(key).finalize();
    digest.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn write_new(path: &Path) -> std::io::Result<()> {
    let key: [u8; KEY_BYTES] = rand::random();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()
}
