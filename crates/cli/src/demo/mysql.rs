//! The demo's MySQL, where one is installed.

use std::path::PathBuf;

use domain::{Engine, Service};
use process::{Command, Credentials};
use secrecy::SecretString;

use super::place::ServerMemory;
use super::shell::{as_owner, run_with_input, system_user};
use super::shop::DemoServer;

const FILL: &str = "
create database shop; use shop; set cte_max_recursion_depth = 100000;
create table parts (id int primary key auto_increment, title varchar(200) not null, in_stock int not null, changed_at timestamp(6) not null default current_timestamp(6));
create table deliveries (id bigint primary key auto_increment, part_id int not null, pieces int not null, at timestamp(6) not null default current_timestamp(6), key (part_id));
insert into parts (title, in_stock) with recursive n (id) as (select 1 union all select id + 1 from n where id < 3000) select concat('Part ', id), 10 + id % 90 from n;
insert into deliveries (part_id, pieces) with recursive n (id) as (select 1 union all select id + 1 from n where id < 40000) select 1 + id * 7 % 3000, 1 + id % 20 from n;
";

const TRADE: &str = "
insert into shop.deliveries (part_id, pieces) values (1 + floor(rand() * 3000), 1 + floor(rand() * 20));
update shop.parts set in_stock = in_stock + 1, changed_at = now(6) where id = 1 + floor(rand() * 3000);
";

/// A MySQL of the demo's own.
pub struct Mysql {
    server: PathBuf,
    client: PathBuf,
    folder: PathBuf,
    owner: Option<Credentials>,
    port: u16,
    admin_password: SecretString,
}

impl Mysql {
    pub const FOLDER: &'static str = "mysql";

    /// Its server's and its client's programs; none where MySQL is not installed.
    pub async fn programs() -> Option<(PathBuf, PathBuf)> {
        Some((engines::find_mysql_program("mysqld").await?, engines::find_mysql_program("mysql").await?))
    }

    /// The system user that it runs as.
    pub fn owner() -> anyhow::Result<Option<Credentials>> {
        system_user("mysql")
    }

    pub fn new(
        (server, client): (PathBuf, PathBuf),
        folder: PathBuf,
        memory: &ServerMemory,
        owner: Option<Credentials>,
    ) -> Self {
        let admin_password = SecretString::from(memory.admin_password.clone());
        Self { server, client, folder, owner, port: memory.port, admin_password }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("run").join("socket")
    }

    async fn sql(&self, statements: &str) -> anyhow::Result<String> {
        let client = as_owner(Command::new(&self.client), self.owner)
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "--socket"])
            .arg(self.socket())
            .env("MYSQL_TEST_LOGIN_FILE", "/nonexistent/login")
            .env_secret("MYSQL_PWD", self.admin_password.clone());
        run_with_input("mysql", client, statements).await
    }
}

#[async_trait::async_trait]
impl DemoServer for Mysql {
    fn engine(&self) -> Engine {
        Engine::Mysql
    }

    fn name(&self) -> &'static str {
        "Shop warehouse"
    }

    fn data_directory(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn service(&self) -> Service {
        let start = vec![
            self.server.display().to_string(),
            "--no-defaults".to_owned(),
            format!("--datadir={}", self.data_directory().display()),
            format!("--port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--mysqlx=OFF".to_owned(),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", self.folder.join("run").join("pid").display()),
            format!("--tmpdir={}", self.folder.join("run").display()),
            "--secure-file-priv=NULL".to_owned(),
            "--log-bin=bin".to_owned(),
            "--gtid-mode=ON".to_owned(),
            "--enforce-gtid-consistency=ON".to_owned(),
            "--server-id=1".to_owned(),
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--innodb-redo-log-capacity=64M".to_owned(),
        ];
        Service::Process {
            start,
            user: self.owner.map(|_| "mysql".to_owned()),
            log_file: Some(self.folder.join("server.log").display().to_string()),
        }
    }

    async fn create(&self) -> anyhow::Result<()> {
        let initialise = as_owner(Command::new(&self.server), self.owner)
            .args(["--no-defaults", "--initialize-insecure", "--secure-file-priv=NULL"])
            .arg("--innodb-redo-log-capacity=64M")
            .arg(format!("--datadir={}", self.data_directory().display()));
        run_with_input("mysqld", initialise, "").await.map(|_| ())
    }

    async fn is_ready(&self) -> bool {
        // Before it is filled the administrator has no password; the socket's directory is closed to others.
        let ping = as_owner(Command::new(&self.client), self.owner)
            .args(["--no-defaults", "--connect-timeout=5", "--user=nobody", "--execute=select 1", "--socket"])
            .arg(self.socket());
        match run_with_input("mysql", ping, "").await {
            Ok(_) => true,
            // It answers, and refuses whom it does not know.
            Err(error) => format!("{error:#}").contains("Access denied"),
        }
    }

    async fn fill(&self, memory: &ServerMemory) -> anyhow::Result<()> {
        use secrecy::ExposeSecret;
        let client = as_owner(Command::new(&self.client), self.owner)
            .args(["--no-defaults", "--user=root", "--socket"])
            .arg(self.socket());
        let own = format!("alter user root@localhost identified by '{}';", self.admin_password.expose_secret());
        // Of a first start that was cut off, it has its password already.
        if self.sql("select 1").await.is_err() {
            run_with_input("mysql", client, &own).await?;
        }
        let mut accounts = "install plugin clone soname 'mysql_clone.so';\n".to_owned();
        for host in ["localhost", "127.0.0.1"] {
            accounts.push_str(&format!(
                "create user holdfast@'{host}' identified by '{}'; grant backup_admin, replication slave, replication client on *.* to holdfast@'{host}';
                 grant select on performance_schema.clone_status to holdfast@'{host}';
                 grant select on performance_schema.log_status to holdfast@'{host}';\n",
                memory.password
            ));
        }
        self.sql(&accounts).await?;
        self.sql(FILL).await.map(|_| ())
    }

    async fn trade(&self) -> anyhow::Result<()> {
        self.sql(TRADE).await.map(|_| ())
    }

    fn how_to_look(&self) -> String {
        format!(
            "{} --no-defaults --user holdfast --password --host 127.0.0.1 --port {}",
            self.client.display(),
            self.port
        )
    }
}
