//! The demo's MariaDB.

use std::path::PathBuf;

use anyhow::Context;
use domain::{Engine, Service};
use process::{Command, Credentials};

use super::place::ServerMemory;
use super::shell::{as_owner, run_with_input, system_user};
use super::shop::DemoServer;

const FILL: &str = "
create database shop; use shop;
create table articles (id int primary key auto_increment, title varchar(200) not null, body text not null, changed_at timestamp not null default current_timestamp);
create table reviews (id bigint primary key auto_increment, article_id int not null, stars tinyint not null, words varchar(300) not null, at timestamp not null default current_timestamp, key (article_id));
insert into articles (title, body) select concat('Article ', seq), repeat(concat('All about article ', seq, '. '), 20) from seq_1_to_3000;
insert into reviews (article_id, stars, words) select 1 + seq * 7 % 3000, 1 + seq % 5, concat('Review number ', seq, ' says that it is fine.') from seq_1_to_50000;
";

const TRADE: &str = "
insert into shop.reviews (article_id, stars, words) values (1 + floor(rand() * 3000), 1 + floor(rand() * 5), 'Just now, and fine.');
update shop.articles set changed_at = now() where id = 1 + floor(rand() * 3000);
";

/// A MariaDB of the demo's own.
pub struct Mariadb {
    folder: PathBuf,
    owner: Option<Credentials>,
    port: u16,
}

impl Mariadb {
    pub const FOLDER: &'static str = "mariadb";

    /// The system user that it runs as.
    pub fn owner() -> anyhow::Result<Option<Credentials>> {
        system_user("mysql")
    }

    pub fn new(folder: PathBuf, memory: &ServerMemory, owner: Option<Credentials>) -> Self {
        Self { folder, owner, port: memory.port }
    }

    /// The account with all rights: named after whoever runs the server, let in by the socket's credentials, so that there
    /// is no password anywhere.
    fn administrator(&self) -> anyhow::Result<String> {
        if self.owner.is_some() {
            return Ok("mysql".to_owned());
        }
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())?;
        Ok(user.context("the person who runs the demo has no user name")?.name)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("run").join("socket")
    }

    async fn sql(&self, statements: &str) -> anyhow::Result<String> {
        let client = as_owner(Command::new("mariadb"), self.owner)
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user", &self.administrator()?, "--socket"])
            .arg(self.socket());
        run_with_input("mariadb", client, statements).await
    }
}

#[async_trait::async_trait]
impl DemoServer for Mariadb {
    fn engine(&self) -> Engine {
        Engine::Mariadb
    }

    fn name(&self) -> &'static str {
        "Shop catalogue"
    }

    fn data_directory(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn service(&self) -> Service {
        let start = vec![
            "/usr/sbin/mariadbd".to_owned(),
            "--no-defaults".to_owned(),
            format!("--datadir={}", self.data_directory().display()),
            format!("--port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", self.folder.join("run").join("pid").display()),
            format!("--tmpdir={}", self.folder.join("run").display()),
            "--log-bin=bin".to_owned(),
            "--binlog-format=ROW".to_owned(),
            "--server-id=1".to_owned(),
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--innodb-log-file-size=32M".to_owned(),
        ];
        Service::Process {
            start,
            user: self.owner.map(|_| "mysql".to_owned()),
            log_file: Some(self.folder.join("server.log").display().to_string()),
        }
    }

    async fn create(&self) -> anyhow::Result<()> {
        let install = as_owner(Command::new("mariadb-install-db"), self.owner)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=socket"])
            .arg(format!("--auth-root-socket-user={}", self.administrator()?))
            .arg(format!("--datadir={}", self.data_directory().display()));
        run_with_input("mariadb-install-db", install, "").await.map(|_| ())
    }

    async fn is_ready(&self) -> bool {
        self.sql("select 1").await.is_ok()
    }

    async fn fill(&self, memory: &ServerMemory) -> anyhow::Result<()> {
        let user = format!(
            "create user holdfast@'localhost' identified by '{0}'; create user holdfast@'127.0.0.1' identified by '{0}';
             grant reload, process, binlog monitor, replication slave on *.* to holdfast@'localhost';
             grant reload, process, binlog monitor, replication slave on *.* to holdfast@'127.0.0.1';",
            memory.password
        );
        self.sql(&user).await?;
        self.sql(FILL).await.map(|_| ())
    }

    async fn trade(&self) -> anyhow::Result<()> {
        self.sql(TRADE).await.map(|_| ())
    }

    fn how_to_look(&self) -> String {
        let user = if self.owner.is_some() { "runuser -u mysql -- " } else { "" };
        format!("{user}mariadb --no-defaults --socket {} shop", self.socket().display())
    }
}
