//! A MySQL with a table of readings.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::{DatastoreCreate, Engine, Manifest, Secret, Service};
use testkit::Mysql;

use crate::bare::Tool;
use crate::database::Database;

const TABLE: &str = "create database if not exists bench;
    create table if not exists bench.readings (id bigint auto_increment primary key, at datetime, sensor int,
        digest varchar(40), other varchar(80), note text);";
/// 100,000 rows: digests that hardly compress, and text that repeats. Not in the binary log, which no backup holds.
const BATCH: &str = "use bench; set sql_log_bin = 0; set cte_max_recursion_depth = 100000;
    insert into readings (at, sensor, digest, other, note)
    with recursive n (seq) as (select 1 union all select seq + 1 from n where seq < 100000)
    select timestamp('2026-01-01') + interval seq second, seq % 977, left(sha2(rand(), 256), 32), sha2(rand() + seq, 256),
        concat('sensor ', seq % 977, ' is within its limits; next inspection in week ', seq % 52)
    from n;";
const SIZE: &str = "select file_size from information_schema.innodb_tablespaces where name = 'bench/readings'";
const DIRTY_PAGES: &str = "select variable_value from performance_schema.global_status where variable_name = 'Innodb_buffer_pool_pages_dirty'";
/// How long the server may take to write its changed pages.
const WRITING_LIMIT: Duration = Duration::from_secs(180);
/// What a person would type: the server clones itself, and tar packs that.
const CLONE: &str = r#"clone=$1; shift; rm -rf "$clone"
    "$@" --execute="CLONE LOCAL DATA DIRECTORY = '$clone'"
    tar --create --directory="$clone" .; rm -rf "$clone""#;

/// A server of its own, whose data is quick to make.
pub fn start() -> Result<impl Database> {
    Mysql::builder().setting("innodb-buffer-pool-size", "256M").setting("innodb-redo-log-capacity", "512M").start()
}

fn wait_until_written(server: &Mysql) {
    let written = || server.sql(DIRTY_PAGES).is_ok_and(|pages| pages == "0");
    testkit::wait_until("the changed pages are written", WRITING_LIMIT, written);
}

impl Database for Mysql {
    fn title(&self) -> &'static str {
        Engine::Mysql.title()
    }

    fn programs(&self) -> Option<(&'static str, PathBuf)> {
        Some(("HOLDFAST_MYSQL_BIN", self.binaries().to_owned()))
    }

    fn registration(&self) -> DatastoreCreate {
        DatastoreCreate {
            name: "bench mysql".into(),
            engine: Engine::Mysql,
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
        while self.sql(SIZE)?.parse::<u64>().context("read the size")? < bytes {
            self.sql(BATCH)?;
        }
        self.sql("set global innodb_max_dirty_pages_pct = 0; set global innodb_max_dirty_pages_pct_lwm = 0")?;
        wait_until_written(self);
        Ok(())
    }

    fn backup_tool(&self, manifest: &Manifest, directory: &Path) -> Result<Tool> {
        let (tool, arguments) = manifest.command_line.split_first().context("the manifest has no command line")?;
        ensure!(tool == "mysql", "the manifest names the tool {tool}");
        let login = arguments.iter().filter(|argument| !argument.starts_with("--execute="));
        let options = directory.join("options.cnf");
        let quoted = self.backup_password.replace('\\', "\\\\").replace('"', "\\\"");
        let mut file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&options)?;
        writeln!(file, "[client]\npassword=\"{quoted}\"").context("write the option file")?;
        let clone = self.data_directory.with_file_name("bare-clone");
        let first = ["bash".into(), "-ec".into(), CLONE.into(), "clone".into(), clone.into_os_string()];
        let client = [
            self.binaries().join("mysql").into_os_string(),
            format!("--defaults-file={}", options.display()).into(),
            "--protocol=tcp".into(),
            "--get-server-public-key".into(),
        ];
        Ok(Tool {
            arguments: first.into_iter().chain(client).chain(login.map(Into::into)).collect(),
            environment: Vec::new(),
        })
    }

    fn prepare_bare_increment(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn change_a_hundredth(&self, time: usize) -> Result<()> {
        self.sql(&format!(
            "set @hundredth = (select max(id) div 100 from bench.readings);
            set sql_log_bin = 0;
            update bench.readings set sensor = sensor + 1 where id between @hundredth * {time} and @hundredth * ({time} + 1)"
        ))?;
        wait_until_written(self);
        Ok(())
    }

    fn restore_script(&self) -> &'static str {
        r#"mkdir -m 700 "$DIRECTORY"; zstd -qdc "$FILE" | tar -x -C "$DIRECTORY""#
    }

    fn write_log(&self, bytes: u64) -> Result<()> {
        let mut written = 0;
        let batch = BATCH.replace("set sql_log_bin = 0;", "").replace("seq < 100000", "seq < 10000");
        while written < bytes {
            self.sql(&batch)?;
            // About what such a row takes in the log.
            written += 10_000 * 230;
        }
        self.sql("flush binary logs").map(drop)
    }

    fn replay_script(&self) -> String {
        let script = r#"user=(); if [ "$(id -u)" = 0 ]; then chown -R mysql: "$DIRECTORY"; user=(--user=mysql); fi
        chmod 711 .; began=$(date +%s.%N)
        @/mysqld --no-defaults "${user[@]}" --datadir="$DIRECTORY" --socket="$DIRECTORY/s" --pid-file="$DIRECTORY/p" \
            --skip-networking --skip-grant-tables --skip-log-bin --mysqlx=OFF --gtid-mode=ON --enforce-gtid-consistency=ON \
            --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0 > "$DIRECTORY/log" 2>&1 &
        until @/mysql --no-defaults --socket="$DIRECTORY/s" -e "select 1" > /dev/null 2>&1; do sleep 0.05; done
        logs=(); for log in "$LOGS"/*; do [[ "$(basename "$log")" < "${START%:*}" ]] || logs+=("$log"); done
        @/mysqlbinlog --no-defaults --start-position="${START#*:}" "${logs[@]}" | @/mysql --no-defaults --binary-mode --socket="$DIRECTORY/s"
        kill %1; wait; echo "$(date +%s.%N) - $began" | bc"#;
        script.replace("@/", &format!("{}/", self.binaries().display()))
    }

    fn replay_start(&self, manifest: &Manifest) -> Result<String> {
        let told = manifest.log_position.as_deref().and_then(|text| text.split_whitespace().next());
        told.map(str::to_owned).context("no position")
    }

    fn data_directory(&self) -> PathBuf {
        self.data_directory.clone()
    }

    fn row_count(&self) -> Result<String> {
        self.sql("select count(*), max(id) from bench.readings")
    }
}
