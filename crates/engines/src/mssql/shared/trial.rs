//! Tries the shared place in both directions, before anything depends on it. // F-56

use domain::ErrorCode;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::super::client::Session;
use super::super::facts::ServerFacts;
use super::super::refusal::{Refusal, number};
use super::{Place, Shared};
use crate::problem::Problem;

/// The name of the small files that are tried with.
const EXTENSION: &str = "probe";
const TEXT: &[u8] = b"Holdfast asks whether the server can read this.";

/// Tries that the server can read what the worker puts into the shared place: of a file that is there and no backup it says so,
/// and of one that it can't open it says that.
pub(in super::super) async fn server_reads(
    session: &mut Session,
    server: &ServerFacts,
    shared: &Shared,
) -> Result<(), Problem> {
    if let Place::Bucket(bucket) = &shared.place {
        bucket.check(session, server).await?;
    }
    let file = shared.file(EXTENSION);
    let written = file.write(TEXT, &|_| {}, &CancellationToken::new()).await;
    written.map_err(|error| Problem::of_error(&error))?;
    let answer = session.ask(&format!("RESTORE HEADERONLY {}", file.from(""))).await;
    file.remove().await;
    match answer {
        Err(Refusal::Server { number: number::NOT_MEDIA, .. }) => Ok(()),
        Err(Refusal::Server { number: number::DEVICE, message }) => Err(not_seen(&shared.place, &message)),
        Err(refusal) => Err(Problem::new(
            ErrorCode::MissingPrivilege,
            format!("Whether the server can read what the worker writes for it could not be found out: {refusal}"),
        )),
        Ok(_) => Err(Problem::new(ErrorCode::Internal, "The server takes a text for a backup.")),
    }
}

fn not_seen(place: &Place, message: &str) -> Problem {
    match place {
        Place::Directory(directory) => Problem::new(
            ErrorCode::ServerSettingMissing,
            format!(
                "The server does not see what the worker writes into the shared directory: {} of the worker is not {} of the server, \
                 or the server's account may not read it. It said: {message}",
                directory.worker_path(),
                directory.server_path()
            ),
        )
        .remedy(format!("chown mssql: {}", directory.worker_path())),
        Place::Bucket(bucket) => Problem::new(
            ErrorCode::ServerSettingMissing,
            format!(
                "The server can't read what the worker writes to {}: its credential's key must be allowed to list, read and write \
                 there, it must trust the storage's certificate, and their clocks must agree. It said: {message}",
                bucket.place()
            ),
        ),
    }
}

/// Tries that the server can write there and the worker read it, with a backup of the small database `model`. Whoever may not back
/// that one up finds out with the first backup.
pub(in super::super) async fn server_writes(session: &mut Session, shared: &Shared) -> Result<(), Problem> {
    let allowed = "SELECT HAS_PERMS_BY_NAME(N'model', N'DATABASE', N'BACKUP DATABASE') AS allowed";
    let rows = session.ask(allowed).await.unwrap_or_default();
    if !rows.first().is_some_and(|row| row.is_set("allowed")) {
        return Ok(());
    }
    let file = shared.file(EXTENSION);
    let sql = format!("BACKUP DATABASE [model] {}", file.to("COPY_ONLY, ", false));
    session.long(&sql).await.map_err(|refusal| match &shared.place {
        Place::Directory(directory) => {
            let detail = format!("The server can't write into {}: {refusal}", directory.server_path());
            let remedy = format!("chown mssql: {}", directory.worker_path());
            Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(remedy)
        }
        Place::Bucket(bucket) => {
            let detail = format!("The server can't write to {}: {refusal}", bucket.place());
            Problem::new(ErrorCode::ServerSettingMissing, detail)
        }
    })?;
    let read = async {
        let mut opened = file.open().await.map_err(|error| Problem::of_error(&error))?;
        opened.read(&mut [0]).await.map_err(|error| {
            let detail = format!("The worker can't read what the server wrote: {error}.");
            Problem::new(ErrorCode::ServerSettingMissing, detail)
        })
    };
    let read = read.await;
    file.remove().await;
    read.map(drop)
}
