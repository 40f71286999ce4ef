//! The demo's PostgreSQL.

use std::path::{Path, PathBuf};

use anyhow::Context;
use domain::{Engine, Service};
use process::{Command, Credentials};

use super::place::ServerMemory;
use super::shell::{as_owner, run_with_input, system_user};
use super::shop::DemoServer;

/// Tables of a shop, filled with a few weeks of trade.
const FILL: &str = "
set role shop;
create table customers (id int primary key generated always as identity, name text not null, city text not null, since date not null);
create table products (id int primary key generated always as identity, name text not null, price_cents int not null);
create table orders (id bigint primary key generated always as identity, customer_id int not null references customers,
  placed_at timestamptz not null default now(), total_cents int not null);
create table order_lines (order_id bigint not null references orders, product_id int not null references products,
  quantity int not null, primary key (order_id, product_id));
insert into customers (name, city, since) select 'Customer ' || n, (array['Oslo','Berlin','Porto','Lyon','Turku'])[1 + n % 5], date '2020-01-01' + n % 2000
  from generate_series(1, 5000) n;
insert into products (name, price_cents) select 'Product ' || n, 199 + n * 37 % 20000 from generate_series(1, 800) n;
insert into orders (customer_id, placed_at, total_cents) select 1 + n * 7 % 5000, now() - n * interval '2 minutes', 500 + n * 91 % 40000
  from generate_series(1, 40000) n;
insert into order_lines select n, 1 + n * 13 % 800, 1 + n % 4 from generate_series(1, 40000) n;
";

const TRADE: &str = "
with placed as (insert into orders (customer_id, total_cents) select 1 + floor(random() * 5000)::int, 500 + floor(random() * 40000)::int returning id)
insert into order_lines select id, 1 + floor(random() * 800)::int, 1 from placed;
";

/// A PostgreSQL of the demo's own.
pub struct Postgresql {
    binaries: PathBuf,
    folder: PathBuf,
    owner: Option<Credentials>,
    port: u16,
}

impl Postgresql {
    pub const FOLDER: &'static str = "postgresql";

    /// The system user that it runs as.
    pub fn owner() -> anyhow::Result<Option<Credentials>> {
        system_user("postgres")
    }

    pub fn new(folder: PathBuf, memory: &ServerMemory, owner: Option<Credentials>) -> anyhow::Result<Self> {
        Ok(Self { binaries: newest_binaries()?, folder, owner, port: memory.port })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn tool(&self, name: &str) -> Command {
        as_owner(Command::new(self.binaries.join(name)), self.owner)
    }

    async fn sql(&self, database: &str, statements: &str) -> anyhow::Result<String> {
        let psql = self
            .tool("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(self.folder.join("run"));
        run_with_input("psql", psql, statements).await
    }
}

#[async_trait::async_trait]
impl DemoServer for Postgresql {
    fn engine(&self) -> Engine {
        Engine::Postgresql
    }

    fn name(&self) -> &'static str {
        "Shop orders"
    }

    fn data_directory(&self) -> PathBuf {
        self.data()
    }

    fn service(&self) -> Service {
        let mut start = vec![self.binaries.join("postgres").display().to_string()];
        start.extend(["-D".to_owned(), self.data().display().to_string()]);
        for setting in [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.join("run").display()),
            "unix_socket_permissions=0700".to_owned(),
            "shared_buffers=32MB".to_owned(),
        ] {
            start.extend(["-c".to_owned(), setting]);
        }
        Service::Process {
            start,
            user: self.owner.map(|_| "postgres".to_owned()),
            log_file: Some(self.folder.join("server.log").display().to_string()),
        }
    }

    async fn create(&self) -> anyhow::Result<()> {
        let initdb = self
            .tool("initdb")
            .args([
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-A",
                "scram-sha-256",
                "--auth-local=trust",
                "-D",
            ])
            .arg(self.data());
        run_with_input("initdb", initdb, "").await.map(|_| ())
    }

    async fn is_ready(&self) -> bool {
        self.sql("postgres", "select 1").await.is_ok()
    }

    async fn fill(&self, memory: &ServerMemory) -> anyhow::Result<()> {
        let role = format!(
            "create role shop; create database shop owner shop;
             create role holdfast login replication createdb password '{}';
             grant pg_read_all_settings, pg_read_all_data, pg_signal_backend, shop to holdfast;",
            memory.password
        );
        self.sql("postgres", &role).await?;
        self.sql("shop", FILL).await.map(|_| ())
    }

    async fn trade(&self) -> anyhow::Result<()> {
        self.sql("shop", TRADE).await.map(|_| ())
    }

    fn how_to_look(&self) -> String {
        let user = if self.owner.is_some() { "runuser -u postgres -- " } else { "" };
        format!("{user}psql -h {} -p {} -U postgres shop", self.folder.join("run").display(), self.port)
    }
}

/// The newest version below Debian's directory of versions.
fn newest_binaries() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).context("PostgreSQL is not installed")?;
    versions
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok().map(|major| (major, entry.path())))
        .map(|(major, path)| (major, path.join("bin")))
        .filter(|(_, path)| path.join("postgres").exists())
        .max()
        .map(|(_, path)| path)
        .context("PostgreSQL's server is not installed")
}
