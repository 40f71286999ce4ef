//! A PostgreSQL with a table of readings.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use domain::{DatastoreCreate, Engine, Manifest, Secret, Service};
use testkit::Postgres;

use crate::bare::Tool;
use crate::database::Database;

const TABLE: &str = "create table if not exists readings (
    id bigserial primary key, at timestamptz, sensor int, digest text, other text, note text)";
/// 100,000 rows: digests that hardly compress, and text that repeats.
const BATCH: &str = "insert into readings (at, sensor, digest, other, note)
    select timestamptz '2026-01-01' + i * interval '1 second', i % 977, md5(random()::text), md5(random()::text) || md5(random()::text),
        'sensor ' || (i % 977) || ' is within its limits; next inspection in week ' || (i % 52)
    from generate_series(1, 100000) i";

/// A server of its own, whose data is quick to make.
pub fn start() -> Result<impl Database> {
    Postgres::builder()
        .setting("autovacuum", "off")
        .setting("max_wal_size", "4GB")
        .setting("shared_buffers", "128MB")
        .start()
}

/// One of a version that makes increments.
pub fn start_18() -> Result<Postgres> {
    Postgres::builder()
        .version_18()
        .setting("autovacuum", "off")
        .setting("max_wal_size", "4GB")
        .setting("shared_buffers", "128MB")
        .setting("summarize_wal", "on")
        .start()
}

impl Database for Postgres {
    fn title(&self) -> &'static str {
        Engine::Postgresql.title()
    }

    fn registration(&self) -> DatastoreCreate {
        DatastoreCreate {
            name: "bench postgresql".into(),
            engine: Engine::Postgresql,
            host: "127.0.0.1".into(),
            port: Some(self.port),
            username: Some(self.backup_user.clone()),
            password: Some(Secret::new(&self.backup_password)),
            data_directory: Some(self.data_directory.display().to_string()),
            shared_directory: None,
            shared_storage_id: None,
            service: Some(Service::Command {
                start: self.start_command(),
                stop: self.stop_command(),
                status: Some(self.status_command()),
            }),
            worker: None,
            storage_id: None,
            project_id: None,
        }
    }

    fn grow_to(&self, bytes: u64) -> Result<()> {
        self.sql(TABLE)?;
        while self.sql("select pg_database_size('postgres')")?.parse::<u64>().context("read the size")? < bytes {
            self.sql(BATCH)?;
        }
        self.sql("vacuum analyze readings; checkpoint").map(drop)
    }

    fn backup_tool(&self, manifest: &Manifest, _: &Path) -> Result<Tool> {
        let (tool, arguments) = manifest.command_line.split_first().context("the manifest has no command line")?;
        let program = self.binaries().join(tool).into_os_string();
        Ok(Tool {
            arguments: std::iter::once(program).chain(arguments.iter().map(Into::into)).collect(),
            environment: vec![
                ("PGHOST", "127.0.0.1".into()),
                ("PGPORT", self.port.to_string().into()),
                ("PGUSER", self.backup_user.clone().into()),
                ("PGPASSWORD", self.backup_password.clone().into()),
            ],
        })
    }

    fn prepare_bare_increment(&self, file: &Path) -> Result<()> {
        let directory = file.parent().context("no parent")?;
        let script = r#"zstd -qdc "$FILE" | tar -x -O backup_manifest > backup_manifest"#;
        let mut shell = Command::new("bash");
        shell.args(["-e", "-o", "pipefail", "-c", script]).env("FILE", file).current_dir(directory);
        ensure!(shell.status().context("run bash")?.success(), "there is no manifest in {}", file.display());
        Ok(())
    }

    fn change_a_hundredth(&self, time: usize) -> Result<()> {
        self.sql(&format!(
            "update readings set sensor = sensor + 1
            where id between (select max(id) / 100 * {time} from readings) and (select max(id) / 100 * ({time} + 1) from readings);
            checkpoint"
        ))
        .map(drop)
    }

    fn restore_script(&self) -> &'static str {
        r#"mkdir -m 700 "$DIRECTORY"; zstd -qdc "$FILE" | tar -x -C "$DIRECTORY""#
    }

    fn write_log(&self, bytes: u64) -> Result<()> {
        let position = || -> Result<u64> {
            let answer = self.sql("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")?;
            answer.parse().context("read the position")
        };
        let end = position()? + bytes;
        while position()? < end {
            self.sql(BATCH)?;
        }
        self.sql("select pg_switch_wal()").map(drop)
    }

    fn replay_script(&self) -> String {
        r#"major=$(cat "$DIRECTORY/PG_VERSION"); programs=/usr/lib/postgresql/$major/bin
        touch "$DIRECTORY/recovery.signal"; for log in "$LOGS"/*; do truncate -s 16M "$log"; done
        as=(); if [ "$(id -u)" = 0 ]; then chown -R postgres: "$DIRECTORY" "$LOGS"; as=(runuser -u postgres --); fi
        chmod 711 . "$LOGS"; began=$(date +%s.%N)
        "${as[@]}" "$programs/postgres" -D "$DIRECTORY" -c listen_addresses= -c unix_socket_directories="$DIRECTORY"             -c hot_standby=off -c archive_mode=off -c shared_buffers=64MB -c autovacuum=off -c fsync=on             -c restore_command="cp '$LOGS/%f' '%p'" -c recovery_target_action=promote > "$DIRECTORY/log" 2>&1 &
        until grep -q "ready to accept connections" "$DIRECTORY/log"; do kill -0 $! || cat "$DIRECTORY/log" >&2; sleep 0.05; done
        "${as[@]}" "$programs/pg_ctl" -D "$DIRECTORY" -m fast -w stop > /dev/null
        wait; echo "$(date +%s.%N) - $began" | bc"#
        .to_owned()
    }

    fn replay_start(&self, _: &Manifest) -> Result<String> {
        Ok(String::new())
    }

    fn data_directory(&self) -> PathBuf {
        self.data_directory.clone()
    }

    fn row_count(&self) -> Result<String> {
        self.sql("select count(*), max(id) from readings")
    }
}
