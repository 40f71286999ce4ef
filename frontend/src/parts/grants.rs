//! What the user that Holdfast logs in as must be allowed, as statements to copy.

use domain::Engine;
use leptos::prelude::*;

use super::code_box::CodeBox;

const POSTGRESQL: &str = "CREATE ROLE holdfast LOGIN REPLICATION PASSWORD 'choose a password';
GRANT pg_read_all_settings TO holdfast;";
const POSTGRESQL_HBA: &str = "host postgres holdfast 127.0.0.1/32 scram-sha-256
host replication holdfast 127.0.0.1/32 scram-sha-256";
const MARIADB: &str = "CREATE USER 'holdfast'@'localhost' IDENTIFIED BY 'choose a password';
GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO 'holdfast'@'localhost';";
const MYSQL: &str = "INSTALL PLUGIN clone SONAME 'mysql_clone.so';
CREATE USER 'holdfast'@'localhost' IDENTIFIED BY 'choose a password';
GRANT BACKUP_ADMIN, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'holdfast'@'localhost';
GRANT SELECT ON performance_schema.clone_status TO 'holdfast'@'localhost';
GRANT SELECT ON performance_schema.log_status TO 'holdfast'@'localhost';";
const MSSQL: &str = "CREATE LOGIN holdfast WITH PASSWORD = 'choose a password';
GRANT CREATE ANY DATABASE, CONNECT ANY DATABASE, VIEW ANY DEFINITION, VIEW SERVER STATE TO holdfast;
-- In each database:
CREATE USER holdfast FOR LOGIN holdfast; ALTER ROLE db_backupoperator ADD MEMBER holdfast;
-- For restores:
GRANT ALTER ANY DATABASE TO holdfast;
ALTER SERVER ROLE dbcreator ADD MEMBER holdfast;";
const REDIS: &str = "ACL SETUSER holdfast on >choose-a-password +ping +info +config|get +sync +psync +replconf
ACL SAVE";

/// The statements for an engine, each with what it is for.
fn statements(engine: Engine) -> Vec<(&'static str, &'static str)> {
    match engine {
        Engine::Postgresql => vec![
            ("Run as a superuser, in psql:", POSTGRESQL),
            ("Lines for pg_hba.conf, with the worker's address, then reload the server:", POSTGRESQL_HBA),
        ],
        Engine::Mariadb => vec![("Run as an administrator, in the mariadb client:", MARIADB)],
        Engine::Redis | Engine::Valkey => vec![(
            "Run in the engine's cli. Without an ACL, leave the user empty and give the server's requirepass, if it has one:",
            REDIS,
        )],
        Engine::Mysql => vec![("Run as an administrator, in the mysql client:", MYSQL)],
        Engine::Mssql => vec![(
            "Run as a member of sysadmin, in sqlcmd. Leave the last two lines out where nothing is restored:",
            MSSQL,
        )],
    }
}

/// What must hold beside the grants.
fn besides(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => {
            "wal_level must be replica or logical, and max_wal_senders at least 2: both are the default."
        }
        Engine::Mariadb => "The worker runs on the server's machine and can read its data directory.",
        Engine::Redis | Engine::Valkey => "A backup is a full synchronisation, as a replica makes it.",
        Engine::Mysql => {
            "The worker runs on the server's machine, and there is room for a second copy of the data beside the data directory."
        }
        Engine::Mssql => {
            "Support for SQL Server was tested on a wire-level double that follows its documentation, not on a real server: restore a backup to a test server before you rely on it."
        }
    }
}

#[component]
pub fn Grants(#[prop(into)] engine: Signal<Engine>) -> impl IntoView {
    view! {
        <section class="panel section" aria-labelledby="section-grants">
            <header>
                <h2 id="section-grants">"What the user needs"</h2>
                <p>{move || format!("On {}, the least that is enough.", engine.get().title())}</p>
            </header>
            {move || {
                statements(engine.get())
                    .into_iter()
                    .map(|(text, code)| view! { <div><p class="small">{text}</p> <CodeBox text=code.to_owned() label="statements" /></div> })
                    .collect_view()
            }}
            <p class="small muted">{move || besides(engine.get())}</p>
        </section>
    }
}
