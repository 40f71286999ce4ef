//! The demo's Valkey, or Redis where Valkey is not installed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::Context;
use domain::{Engine, Service};
use process::{Command, Credentials, find_program};
use secrecy::SecretString;

use super::place::ServerMemory;
use super::shell::{as_owner, run_with_input, system_user};
use super::shop::DemoServer;

/// Carts and sessions of a few thousand visitors, as a script that runs inside the server.
const FILL: &str = "
for n = 1, 5000 do
  redis.call('hset', 'cart:' .. n, 'items', n % 9, 'total_cents', n * 91 % 40000)
  redis.call('set', 'session:' .. n, 'visitor ' .. n)
end
return redis.call('set', 'visits', 5000)";

const TRADE: &str = "
local n = redis.call('incr', 'visits')
return redis.call('hset', 'cart:' .. n, 'items', 1, 'total_cents', n * 91 % 40000)";

/// A Valkey or Redis of the demo's own.
pub struct KeyValue {
    engine: Engine,
    server: PathBuf,
    client: PathBuf,
    folder: PathBuf,
    owner: Option<Credentials>,
    port: u16,
    admin_password: SecretString,
}

impl KeyValue {
    pub const FOLDER: &'static str = "key-value";

    fn programs() -> anyhow::Result<(Engine, PathBuf, PathBuf)> {
        for (engine, server, client) in
            [(Engine::Valkey, "valkey-server", "valkey-cli"), (Engine::Redis, "redis-server", "redis-cli")]
        {
            if let (Some(server), Some(client)) = (find_program(server, &[]), find_program(client, &[])) {
                return Ok((engine, server, client));
            }
        }
        anyhow::bail!("neither Valkey nor Redis is installed")
    }

    /// The system user that it runs as.
    pub fn owner() -> anyhow::Result<Option<Credentials>> {
        let (engine, ..) = Self::programs()?;
        system_user(engine.as_str())
    }

    pub fn new(folder: PathBuf, memory: &ServerMemory, owner: Option<Credentials>) -> anyhow::Result<Self> {
        let (engine, server, client) = Self::programs()?;
        let admin_password = SecretString::from(memory.admin_password.clone());
        Ok(Self { engine, server, client, folder, owner, port: memory.port, admin_password })
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("server.conf")
    }

    async fn script(&self, script: &str) -> anyhow::Result<String> {
        let client = as_owner(Command::new(&self.client), self.owner)
            .args(["--no-auth-warning", "-e", "-s"])
            .arg(self.folder.join("run").join("socket"))
            .args(["EVAL", script, "0"])
            .env_secret("REDISCLI_AUTH", self.admin_password.clone());
        run_with_input("the client", client, "").await
    }
}

#[async_trait::async_trait]
impl DemoServer for KeyValue {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn name(&self) -> &'static str {
        "Shop carts"
    }

    fn data_directory(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn service(&self) -> Service {
        let start = vec![
            self.server.display().to_string(),
            self.configuration().display().to_string(),
            "--port".to_owned(),
            self.port.to_string(),
        ];
        Service::Process {
            start,
            user: self.owner.map(|_| self.engine.as_str().to_owned()),
            log_file: Some(self.folder.join("server.log").display().to_string()),
        }
    }

    async fn create(&self) -> anyhow::Result<()> {
        let data = self.data_directory();
        fs::create_dir_all(&data)?;
        if let Some(owner) = self.owner {
            std::os::unix::fs::chown(&data, Some(owner.uid), Some(owner.gid))?;
        }
        Ok(())
    }

    async fn prepare_start(&self, memory: &ServerMemory) -> anyhow::Result<()> {
        // Passwords stand in a file that only the server's user may read.
        let text = format!(
            "bind 127.0.0.1\nunixsocket {run}/socket\nunixsocketperm 700\ndir {data}\nappendonly yes\nsave 300 1\n\
             user default on >{admin} ~* &* +@all\n\
             user holdfast on >{password} +ping +replconf +psync +sync +info +config|get\n",
            run = self.folder.join("run").display(),
            data = self.data_directory().display(),
            admin = memory.admin_password,
            password = memory.password,
        );
        let path = self.configuration();
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        if let Some(owner) = self.owner {
            std::os::unix::fs::chown(&path, Some(owner.uid), Some(owner.gid))?;
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        self.script("return redis.call('ping')").await.is_ok_and(|answer| answer.contains("PONG"))
    }

    async fn fill(&self, _memory: &ServerMemory) -> anyhow::Result<()> {
        self.script(FILL).await.context("filling the carts")?;
        Ok(())
    }

    async fn trade(&self) -> anyhow::Result<()> {
        self.script(TRADE).await.map(|_| ())
    }

    fn how_to_look(&self) -> String {
        let client = self.client.display();
        format!("{client} -s {}  (password: admin_password in demo.json)", self.folder.join("run/socket").display())
    }
}
