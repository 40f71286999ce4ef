//! The command line. Every option has an environment variable; `--help` shows both.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use domain::{BackupType, ScheduleSettings};

use crate::audit::AuditArguments;
use crate::control_database::ControlDatabaseArguments;
use crate::keys::KeysArguments;
use crate::network::{DialArguments, EdgeArguments};
use crate::oidc::OidcArguments;
use crate::token::TokenArguments;
use crate::user::UserArguments;

/// Backs up and restores databases.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, about = "Backs up and restores databases, from a web page or an API")]
pub struct Arguments {
    /// What is logged to stderr, such as `info` or `info,worker=debug`.
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_LOG",
        default_value = "info,actix_server=warn,actix_http=off,api::edge=warn"
    )]
    pub log: String,
    /// Log one JSON object a line.
    #[arg(long, global = true, env = "HOLDFAST_LOG_JSON")]
    pub log_json: bool,
    /// Directories with PostgreSQL's programs besides those that distributions use, separated by colons.
    #[arg(long, global = true, env = "HOLDFAST_POSTGRESQL_BIN", value_delimiter = ':')]
    pub postgresql_bin: Vec<PathBuf>,
    /// Directories with MySQL's programs besides those of the system, separated by colons.
    #[arg(long, global = true, env = "HOLDFAST_MYSQL_BIN", value_delimiter = ':')]
    pub mysql_bin: Vec<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the control plane: API, web app and, unless told otherwise, a worker.
    Serve(Box<ServeArguments>),
    /// Run a worker that takes its jobs from a control plane elsewhere.
    Worker(WorkerArguments),
    /// Run everything with three databases of its own to try it on; Ctrl-C stops all, the next start finds all as it was.
    Demo(DemoArguments),
    /// Manage who may sign in.
    User(UserArguments),
    /// Manage the tokens of programs and workers.
    Token(TokenArguments),
    /// Check the audit log.
    Audit(AuditArguments),
    /// Replace the key that secrets are encrypted with.
    Keys(KeysArguments),
    /// Print the OpenAPI document.
    Openapi,
    /// Make a backup, and wait for its end.
    Backup(BackupArguments),
    /// Restore a backup into the datastore that it is of, and wait for its end. What the datastore holds is replaced.
    Restore(RestoreArguments),
    /// Read a backup again, all of it, and say whether it is whole.
    Verify(VerifyArguments),
    /// What is known of backups.
    #[command(subcommand)]
    Catalog(CatalogCommand),
}

/// How a control plane is reached.
#[derive(Debug, Args)]
pub struct RemoteArguments {
    /// The control plane.
    #[arg(long, env = "HOLDFAST_SERVER", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// A file with a token of it, which only its owner may read.
    #[arg(long, env = "HOLDFAST_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BackupArguments {
    /// The datastore's name or id.
    pub datastore: String,
    /// `full` or `incremental`; the default of its method when left out.
    #[arg(long = "type", env = "HOLDFAST_TYPE")]
    pub backup_type: Option<BackupType>,
    #[command(flatten)]
    pub remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The backup's number or id.
    pub backup: String,
    #[command(flatten)]
    pub remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup's number or id.
    pub backup: String,
    /// The datastore's name, to confirm that what it holds may be replaced.
    #[arg(long, env = "HOLDFAST_CONFIRM")]
    pub confirm: String,
    /// A time such as 2026-11-22T07:00:01Z, or `latest`; exactly the backup when left out.
    #[arg(long, env = "HOLDFAST_STOP_TIME", conflicts_with = "stop_position")]
    pub stop_time: Option<String>,
    /// A place in the log as JSON, such as {"gtid":"0-1-742"}.
    #[arg(long, env = "HOLDFAST_STOP_POSITION")]
    pub stop_position: Option<String>,
    #[command(flatten)]
    pub remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub struct CatalogListArguments {
    /// Only this datastore's, by its name or id.
    pub datastore: Option<String>,
    #[command(flatten)]
    pub remote: RemoteArguments,
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// List the backups that a control plane knows, a line each.
    List(CatalogListArguments),
    /// Take into the control database the backups that a storage holds and it does not know, after it was lost.
    Rebuild(CatalogRebuildArguments),
}

#[derive(Debug, Args)]
pub struct CatalogRebuildArguments {
    #[command(flatten)]
    pub database: ControlDatabaseArguments,
    /// The name of the storage to read.
    #[arg(long, env = "HOLDFAST_STORAGE", default_value = domain::storage::DEFAULT_STORAGE_NAME)]
    pub storage: String,
    #[command(flatten)]
    pub dial: DialArguments,
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The address to listen on; loopback only until somebody can sign in. Port 0 takes a free one.
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where the control database, the keys and the default storage are kept.
    #[arg(long, env = "HOLDFAST_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The control database: postgres://…; an SQLite file in the data directory when left out.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The key that passwords are encrypted with; made when it is missing.
    #[arg(long, env = "HOLDFAST_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,
    /// Run no worker in this process.
    #[arg(long, env = "HOLDFAST_NO_WORKER")]
    pub no_worker: bool,
    #[command(flatten)]
    pub edge: EdgeArguments,
    #[command(flatten)]
    pub dial: DialArguments,
    #[command(flatten)]
    pub oidc: OidcArguments,
    #[command(flatten)]
    pub schedules: ScheduleArguments,
}

/// What the installation demands of schedules, and how the scheduler deals with what does not go as planned.
#[derive(Debug, Args)]
pub struct ScheduleArguments {
    /// Give new datastores no schedule; otherwise they get a full backup every day at 05:00 UTC.
    #[arg(long, env = "HOLDFAST_NO_DEFAULT_SCHEDULE")]
    pub no_default_schedule: bool,
    /// How close together a schedule may start full backups, in minutes.
    #[arg(long, env = "HOLDFAST_MINIMUM_FULL_INTERVAL_MINUTES", default_value_t = ScheduleSettings::default().minimum_full_interval_minutes)]
    pub minimum_full_interval_minutes: u32,
    /// How long a scheduled run waits for a busy datastore before it is skipped, in seconds.
    #[arg(long, env = "HOLDFAST_SCHEDULE_WAIT_LIMIT_SECONDS", default_value_t = ScheduleSettings::default().wait_limit_seconds)]
    pub schedule_wait_limit_seconds: u32,
    /// Spread schedules that are due at the same time over this many seconds; 0 starts them all at once.
    #[arg(long, env = "HOLDFAST_SCHEDULE_JITTER_SECONDS", default_value_t = ScheduleSettings::default().jitter_seconds)]
    pub schedule_jitter_seconds: u32,
    /// How often a scheduled backup that failed is tried again.
    #[arg(long, env = "HOLDFAST_SCHEDULE_RETRIES", default_value_t = ScheduleSettings::default().retries)]
    pub schedule_retries: u32,
    /// The pause before the first retry, in seconds; it doubles with each further one, up to six hours.
    #[arg(long, env = "HOLDFAST_SCHEDULE_RETRY_DELAY_SECONDS", default_value_t = ScheduleSettings::default().retry_delay_seconds)]
    pub schedule_retry_delay_seconds: u32,
}

impl From<ScheduleArguments> for ScheduleSettings {
    fn from(arguments: ScheduleArguments) -> Self {
        Self {
            default_schedule: !arguments.no_default_schedule,
            minimum_full_interval_minutes: arguments.minimum_full_interval_minutes,
            wait_limit_seconds: arguments.schedule_wait_limit_seconds,
            jitter_seconds: arguments.schedule_jitter_seconds,
            retries: arguments.schedule_retries,
            retry_delay_seconds: arguments.schedule_retry_delay_seconds,
        }
    }
}

#[derive(Debug, Args)]
pub struct WorkerArguments {
    /// The control plane, such as http://127.0.0.1:8080.
    #[arg(long, env = "HOLDFAST_SERVER")]
    pub server: String,
    /// The file with the worker's token: worker.token in the control plane's data directory.
    #[arg(long, env = "HOLDFAST_TOKEN_FILE")]
    pub token_file: PathBuf,
    /// The worker's name, unique among workers; the machine's name when left out.
    #[arg(long, env = "HOLDFAST_NAME")]
    pub name: Option<String>,
    /// Labels, each KEY=VALUE.
    #[arg(long = "label", env = "HOLDFAST_LABEL", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Where the worker remembers unfinished restores.
    #[arg(long, env = "HOLDFAST_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub dial: DialArguments,
}

#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The address to listen on; loopback only. Port 0 takes a free one.
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where the demo keeps everything: its databases too.
    #[arg(long, env = "HOLDFAST_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}
