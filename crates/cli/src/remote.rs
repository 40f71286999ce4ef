//! The commands that a person or a script gives to a running control plane: they ask, wait, tell the progress on stderr and the
//! outcome on stdout. One that is interrupted leaves its job running.

use std::time::Duration;

use client::{Client, ClientError, ListQuery};
use domain::format::{bytes, duration};
use domain::{
    Backup, BackupCreate, Datastore, Job, JobStatus, Page, Restore, RestoreCreate, RestoreStatus, RestoreTargetDraft,
    VerificationStatus,
};
use uuid::Uuid;

use crate::arguments::{BackupArguments, CatalogListArguments, RemoteArguments, RestoreArguments, VerifyArguments};
use crate::failure::Failure;
use crate::files::read_secret;
use crate::network::client_of;

/// How often a job that runs is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
const PAGE: u32 = 200;

fn client(arguments: RemoteArguments) -> Result<Client, Failure> {
    let client = client_of(&arguments.server)?;
    match arguments.token_file {
        Some(file) => Ok(client.with_token(read_secret(&file)?)),
        None => Ok(client),
    }
}

/// `holdfast backup`: makes a backup.
pub async fn backup(arguments: BackupArguments) -> Result<(), Failure> {
    let client = client(arguments.remote)?;
    let datastore = datastore_named(&client, &arguments.datastore).await?;
    let create = BackupCreate { method: None, backup_type: arguments.backup_type };
    let backup = client.backup_create(datastore.id, &create).await.map_err(told)?;
    let job = wait(&client, backup.job_id).await?;
    let backup = client.backup_get(backup.id).await.map_err(told)?;
    match job.status {
        JobStatus::Completed => {
            println!("{}", line_of(&backup));
            Ok(())
        }
        _ => Err(ended_badly(&format!("Backup {}", backup.number), &job)),
    }
}

/// `holdfast verify`: reads a backup again, all of it.
pub async fn verify(arguments: VerifyArguments) -> Result<(), Failure> {
    let client = client(arguments.remote)?;
    let backup = backup_named(&client, &arguments.backup).await?;
    let job = client.backup_verify(backup.id).await.map_err(told)?;
    let job = wait(&client, job.id).await?;
    let verified = client.backup_get(backup.id).await.map_err(told)?;
    match (job.status, verified.verification.status) {
        (JobStatus::Completed, VerificationStatus::Passed) => {
            println!("Backup {} is whole.", backup.number);
            Ok(())
        }
        (JobStatus::Completed, _) => {
            Err(anyhow::anyhow!("Backup {} is damaged; the log of job {} tells more", backup.number, job.id).into())
        }
        _ => Err(ended_badly(&format!("The verification of backup {}", backup.number), &job)),
    }
}

/// `holdfast restore`: restores a backup into the datastore that it is of.
pub async fn restore(arguments: RestoreArguments) -> Result<(), Failure> {
    let client = client(arguments.remote)?;
    let backup = backup_named(&client, &arguments.backup).await?;
    let position = arguments.stop_position.as_deref().map(serde_json::from_str).transpose().map_err(|error| {
        Failure::configuration(
            format!("The stop position is no JSON: {error}."),
            r#"Give --stop-position '{"xid":"742"}'."#,
        )
    })?;
    let create = RestoreCreate {
        target: RestoreTargetDraft::InPlace,
        pitr_stop_time: arguments.stop_time,
        pitr_stop_position: position,
        confirm: Some(arguments.confirm),
        restore_configuration: false,
    };
    let restore = client.backup_restore(backup.id, &create).await.map_err(told)?;
    let job = wait(&client, restore.job_id).await?;
    let restore = client.restore_get(restore.id).await.map_err(told)?;
    match restore.status {
        RestoreStatus::Completed => {
            println!("{}", outcome_of(&restore, &backup));
            Ok(())
        }
        _ => Err(ended_badly(&format!("The restore of backup {}", backup.number), &job)),
    }
}

/// `holdfast catalog list`: the backups, oldest first, a line each.
pub async fn list(arguments: CatalogListArguments) -> Result<(), Failure> {
    let client = client(arguments.remote)?;
    let datastores = match &arguments.datastore {
        Some(name) => vec![datastore_named(&client, name).await?],
        None => all(async |query| client.datastore_list(&query).await).await?,
    };
    for datastore in datastores {
        println!("{} ({})", datastore.name, datastore.engine.title());
        let mut backups = all(async |query| client.backup_list(datastore.id, &query).await).await?;
        backups.sort_by_key(|backup| backup.number);
        for backup in backups {
            println!("  {}", line_of(&backup));
        }
    }
    Ok(())
}

fn line_of(backup: &Backup) -> String {
    let at = backup.started_at.unwrap_or(backup.created_at).format("%Y-%m-%d %H:%M:%SZ");
    let size = backup.size_bytes.and_then(|size| u64::try_from(size).ok()).map(bytes).unwrap_or_default();
    let took = backup.duration_seconds.map(duration).unwrap_or_default();
    let line = format!(
        "{:>6}  {}  {:<11} {:<9}  {at}  {took:>10}  {size:>12}",
        backup.number, backup.id, backup.backup_type, backup.status
    );
    line.trim_end().to_owned()
}

fn outcome_of(restore: &Restore, backup: &Backup) -> String {
    let reached = restore.reached_position.as_deref().map(|place| format!(", up to {place}")).unwrap_or_default();
    let undo = match restore.undo_until {
        Some(until) => format!(" It can be undone until {}.", until.format("%Y-%m-%d %H:%M:%SZ")),
        None => String::new(),
    };
    format!("Backup {} was restored{reached}.{undo}", backup.number)
}

/// Every page of a list.
async fn all<T>(ask: impl AsyncFn(ListQuery) -> Result<Page<T>, ClientError>) -> Result<Vec<T>, Failure> {
    let mut items = Vec::new();
    let mut query = ListQuery { limit: Some(PAGE), ..ListQuery::default() };
    loop {
        let page = ask(query.clone()).await.map_err(told)?;
        items.extend(page.items);
        if page.next_cursor.is_none() {
            return Ok(items);
        }
        query.cursor = page.next_cursor;
    }
}

/// The datastore of this name or id.
async fn datastore_named(client: &Client, name: &str) -> Result<Datastore, Failure> {
    let datastores = all(async |query| client.datastore_list(&query).await).await?;
    let is_meant = |datastore: &Datastore| datastore.name == name || datastore.id.to_string() == name;
    datastores.into_iter().find(is_meant).ok_or_else(|| {
        Failure::configuration(format!("There is no datastore {name:?}."), "holdfast catalog list names them.")
    })
}

/// The backup of this number or id.
async fn backup_named(client: &Client, name: &str) -> Result<Backup, Failure> {
    if let Ok(id) = name.parse::<Uuid>() {
        return client.backup_get(id).await.map_err(told);
    }
    if let Ok(number) = name.parse::<i64>() {
        for datastore in all(async |query| client.datastore_list(&query).await).await? {
            let backups = all(async |query| client.backup_list(datastore.id, &query).await).await?;
            if let Some(backup) = backups.into_iter().find(|backup| backup.number == number) {
                return Ok(backup);
            }
        }
    }
    let what = format!("There is no backup {name:?}.");
    Err(Failure::configuration(what, "holdfast catalog list shows their numbers and ids."))
}

/// Waits for the end of a job and tells where it is.
async fn wait(client: &Client, id: Uuid) -> Result<Job, Failure> {
    let mut told_of = String::new();
    loop {
        let job = client.job_get(id).await.map_err(told)?;
        let now = match &job.progress {
            Some(progress) if !job.status.is_final() => {
                let percent = progress.percent.map(|percent| format!(" {percent:.0} %")).unwrap_or_default();
                format!("{}{percent}", progress.phase)
            }
            _ => job.status.to_string(),
        };
        if now != told_of {
            eprintln!("{now}");
            told_of = now;
        }
        if job.status.is_final() {
            return Ok(job);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn ended_badly(what: &str, job: &Job) -> Failure {
    let reason = job.error.as_ref().map(|error| format!(": {}", error.detail)).unwrap_or_default();
    anyhow::anyhow!("{what} {}{reason}", job.status).into()
}

/// An error of the service: what it says and what to do.
fn told(error: ClientError) -> Failure {
    let hint = error.code().map(|code| code.help().to_owned());
    match hint {
        Some(hint) => Failure::Other(anyhow::anyhow!("{error}\n  hint: {hint}")),
        None => Failure::other("asking the control plane", error),
    }
}
