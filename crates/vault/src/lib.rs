//! What a stored backup is: streams to objects and back, manifests, verification, deletion.
//!
//! Invariants: a backup exists when its manifest does, and the manifest is written last, once, and never over another;
//! no manifest names an object that the storage has not confirmed (I2); nothing is decompressed beyond what the manifest
//! declares (F-84). Memory does not grow with the size of the data. This crate knows storages and nothing of databases.
//!
//! Apart from that, a bucket may serve a database server and its worker as a place to hand objects over: [`SharedStorage`].

mod check;
mod commit;
mod compress;
mod decode;
mod delete;
mod error;
mod fetch;
mod key;
mod local;
mod log_manifests;
mod logs;
mod manifest_io;
mod open;
mod problem;
mod read;
mod s3;
mod shared;
mod sweep;
mod upload;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use check::{MARKER_NAME, REPOSITORY_FORMAT};
pub use delete::DeleteReport;
pub use error::{Cause, VaultError};
pub use log_manifests::log_manifest_key;
pub use logs::{PIECE_BYTES_MAX, piece_key, pieces_to_replace};
pub use open::Vault;
pub use problem::{ObjectFault, ObjectProblem};
pub use shared::{SharedStorage, SharedUpload};
pub use sweep::SweepReport;
pub use write::{BackupWriter, WriteOptions, WriteProgress};
