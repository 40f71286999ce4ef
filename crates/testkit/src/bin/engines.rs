//! `cargo run -p testkit --bin engines [postgres|mariadb|redis|valkey|mssql]...`: servers to try something on by hand.
//!
//! Starts one server of each named engine (all real ones without arguments) through its service commands, prints a line about
//! each, and holds them until its input ends or it is killed. SQL Server is the double: a line `insert <note>` of the input adds a
//! row to its database `shop`, and `entries` prints the rows.

use std::io::BufRead;

use anyhow::{Context, Result, bail, ensure};
use testkit::{KeyValueServer, MariaDb, Mssql, Postgres, Redis, Valkey};

fn main() -> Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["postgres", "mariadb", "redis", "valkey"].map(String::from).to_vec();
    }
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
    let mut double = None;
    for name in names {
        match name.as_str() {
            "postgres" => {
                let server = Postgres::start()?;
                hand_over(&server.stop_command(), &server.start_command())?;
                tell(&name, server.port, &server.data_directory);
                held.push(Box::new(server));
            }
            "mariadb" => {
                let server = MariaDb::start()?;
                hand_over(&server.stop_command(), &server.start_command())?;
                server.wait_until_ready()?;
                tell(&name, server.port, &server.data_directory);
                held.push(Box::new(server));
            }
            "redis" => held.push(Box::new(key_value(&name, Redis::start()?)?)),
            "valkey" => held.push(Box::new(key_value(&name, Valkey::start()?)?)),
            "mssql" => double = Some(start_double(&name)?),
            _ => bail!("unknown engine {name}: postgres, mariadb, redis, valkey or mssql"),
        }
    }
    println!("account {} password {}", testkit::BACKUP_USER, testkit::BACKUP_PASSWORD);
    println!("ready; Ctrl-D ends");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match (&double, line.split_once(' ')) {
            (Some(double), Some(("insert", note))) => {
                double.insert(DATABASE, note, None);
                println!("inserted {note}");
            }
            (Some(double), None) if line == "entries" => {
                println!("entries {}", double.entries(DATABASE).unwrap_or_default().join(","));
            }
            _ => println!("unknown order {line}"),
        }
    }
    drop(held);
    Ok(())
}

/// The database of the double.
const DATABASE: &str = "shop";

fn start_double(name: &str) -> Result<Mssql> {
    let server = Mssql::builder().encrypting().start()?;
    server.create_database(DATABASE);
    let shared = server.directory.join("shared");
    std::fs::create_dir(&shared).context("make the shared directory")?;
    println!("{name} port {} shared {}", server.port, shared.display());
    Ok(server)
}

fn key_value(name: &str, server: KeyValueServer) -> Result<KeyValueServer> {
    hand_over(&server.stop_command(), &server.start_command())?;
    server.wait_until_ready()?;
    tell(name, server.port, &server.data_directory);
    Ok(server)
}

/// Restarts a server as a worker would: it is not our child any more then.
fn hand_over(stop: &[String], start: &[String]) -> Result<()> {
    for command in [stop, start] {
        let (program, arguments) = command.split_first().expect("a command");
        let status =
            std::process::Command::new(program).args(arguments).stdout(std::process::Stdio::null()).status()?;
        ensure!(status.success(), "{program}: {status}");
    }
    Ok(())
}

fn tell(name: &str, port: u16, data_directory: &std::path::Path) {
    println!("{name} port {port} data {}", data_directory.display());
}
