//! The shop: its servers, registered like anybody's, backed up once at the start, and trading from then on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{Client, ListQuery};
use domain::{BackupCreate, DatastoreCreate, DatastorePatch, Engine, ErrorCode, JobStatus, Secret, Service};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::key_value::KeyValue;
use super::mariadb::Mariadb;
use super::mysql::Mysql;
use super::place::{Place, ServerMemory};
use super::postgresql::Postgresql;
use crate::failure::Failure;

/// How long a server may take to answer after its start.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a first backup may take.
const BACKUP_LIMIT: Duration = Duration::from_secs(300);
const LOOK_INTERVAL: Duration = Duration::from_millis(150);
/// How often something is bought.
const TRADE_INTERVAL: Duration = Duration::from_secs(3);

/// A server of the demo's own.
#[async_trait::async_trait]
pub trait DemoServer: Send + Sync {
    fn engine(&self) -> Engine;
    /// The datastore's name.
    fn name(&self) -> &'static str;
    fn data_directory(&self) -> PathBuf;
    fn service(&self) -> Service;
    /// Makes an empty data directory.
    async fn create(&self) -> anyhow::Result<()>;
    /// Writes what the server reads at every start.
    async fn prepare_start(&self, _memory: &ServerMemory) -> anyhow::Result<()> {
        Ok(())
    }
    async fn is_ready(&self) -> bool;
    /// Makes the account that Holdfast uses, and the shop's data.
    async fn fill(&self, memory: &ServerMemory) -> anyhow::Result<()>;
    /// Something is bought.
    async fn trade(&self) -> anyhow::Result<()>;
    /// The command with which a person looks into it.
    fn how_to_look(&self) -> String;
}

/// The open shop.
pub struct Shop {
    servers: Vec<Arc<dyn DemoServer>>,
}

/// Starts all servers, fills them at the first start, registers them and takes a first backup of each.
pub async fn open(mut place: Place, client: Client) -> Result<Shop, Failure> {
    open_servers(&mut place, &client).await.map_err(Failure::from)
}

async fn open_servers(place: &mut Place, client: &Client) -> anyhow::Result<Shop> {
    let mut servers: Vec<(Arc<dyn DemoServer>, ServerMemory)> = Vec::new();
    let owner = Postgresql::owner()?;
    let (folder, memory) = place.server(Postgresql::FOLDER, owner).map_err(plain)?;
    servers.push((Arc::new(Postgresql::new(folder, &memory, owner)?), memory));
    let owner = Mariadb::owner()?;
    let (folder, memory) = place.server(Mariadb::FOLDER, owner).map_err(plain)?;
    servers.push((Arc::new(Mariadb::new(folder, &memory, owner)), memory));
    if let Some(programs) = Mysql::programs().await {
        let owner = Mysql::owner()?;
        let (folder, memory) = place.server(Mysql::FOLDER, owner).map_err(plain)?;
        servers.push((Arc::new(Mysql::new(programs, folder, &memory, owner)), memory));
    }
    let owner = KeyValue::owner()?;
    let (folder, memory) = place.server(KeyValue::FOLDER, owner).map_err(plain)?;
    servers.push((Arc::new(KeyValue::new(folder, &memory, owner)?), memory));

    for (server, memory) in &mut servers {
        tracing::info!(name = server.name(), engine = %server.engine(), "starting");
        let named = || format!("setting up the demo's {}", server.engine().title());
        let id = start(server.as_ref(), memory, place, client).await.with_context(named)?;
        take_first_backup(client, id).await.with_context(named)?;
    }
    Ok(Shop { servers: servers.into_iter().map(|(server, _)| server).collect() })
}

async fn start(
    server: &dyn DemoServer,
    memory: &mut ServerMemory,
    place: &mut Place,
    client: &Client,
) -> anyhow::Result<Uuid> {
    if !memory.is_filled && server.data_directory().exists() {
        // The first start was cut off: nothing of it is worth keeping.
        std::fs::remove_dir_all(server.data_directory())?;
    }
    if !memory.is_filled {
        server.create().await?;
    }
    server.prepare_start(memory).await?;
    let id = register(server, memory, client).await?;
    memory.datastore_id = Some(id);
    place.remember(memory.clone()).map_err(plain)?;
    engines::service::launch_process_service(id, &server.service(), server.engine())?;
    let deadline = Instant::now() + READY_LIMIT;
    while !server.is_ready().await {
        if Instant::now() > deadline {
            bail!("the server does not answer; its log is server.log in its folder");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    if !memory.is_filled {
        server.fill(memory).await?;
        memory.is_filled = true;
        place.remember(memory.clone()).map_err(plain)?;
    }
    let found = client.datastore_test(id).await?;
    if !memory.archives_logs && found.capabilities.point_in_time_recovery {
        let mut settings = client.backup_settings_get(id).await?;
        settings.log_archiving = true;
        client.backup_settings_put(id, &settings).await?;
        memory.archives_logs = true;
        place.remember(memory.clone()).map_err(plain)?;
    }
    Ok(id)
}

/// Registers the datastore, or tells a registered one its present port and service.
async fn register(server: &dyn DemoServer, memory: &ServerMemory, client: &Client) -> anyhow::Result<Uuid> {
    if let Some(id) = memory.datastore_id
        && let Ok(known) = client.datastore_get(id).await
    {
        if known.port != memory.port || known.service != server.service() {
            let patch =
                DatastorePatch { port: Some(memory.port), service: Some(server.service()), ..Default::default() };
            client.datastore_patch(id, &patch).await?;
        }
        return Ok(id);
    }
    let datastore = client
        .datastore_create(&DatastoreCreate {
            name: server.name().to_owned(),
            engine: server.engine(),
            host: "127.0.0.1".to_owned(),
            port: Some(memory.port),
            username: Some("holdfast".to_owned()),
            password: Some(Secret::new(memory.password.clone())),
            data_directory: Some(server.data_directory().to_string_lossy().into_owned()),
            shared_directory: None,
            shared_storage_id: None,
            service: Some(server.service()),
            worker: None,
            storage_id: None,
            project_id: None,
        })
        .await?;
    Ok(datastore.id)
}

/// Waits for a completed backup, and begins one unless one is being made: archiving its log has one made by itself.
async fn take_first_backup(client: &Client, datastore: Uuid) -> anyhow::Result<()> {
    let completed = ListQuery { status: Some(JobStatus::Completed), limit: Some(1), ..Default::default() };
    let deadline = Instant::now() + BACKUP_LIMIT;
    let mut begun = None;
    while client.backup_list(datastore, &completed).await?.total == 0 {
        if Instant::now() > deadline {
            bail!("the first backup hangs");
        }
        begun = match begun {
            None => match client.backup_create(datastore, &BackupCreate::default()).await {
                Ok(backup) => Some(backup.id),
                Err(error) if error.code() == Some(ErrorCode::DatastoreBusy) => None,
                Err(error) => return Err(error.into()),
            },
            Some(id) => {
                let backup = client.backup_get(id).await?;
                if matches!(backup.status, JobStatus::Failed | JobStatus::Cancelled) {
                    let why = backup.error.map_or_else(String::new, |error| error.detail);
                    bail!("the first backup {}: {why}", backup.status);
                }
                Some(id)
            }
        };
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

impl Shop {
    /// Prints how to look into the databases.
    pub fn describe(&self) {
        println!("\nLook into the databases with:");
        for server in &self.servers {
            println!("  {:<15} {}", server.name(), server.how_to_look());
        }
        println!("\nCtrl-C stops everything; the next start finds it as it was.");
    }

    /// Trades until it is told to stop. A server that is down while it is restored sells nothing, and that is all.
    pub async fn trade(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(TRADE_INTERVAL) => {}
            }
            for server in &self.servers {
                if let Err(error) = server.trade().await {
                    tracing::debug!(name = server.name(), %error, "nothing was sold");
                }
            }
        }
    }
}

fn plain(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}
