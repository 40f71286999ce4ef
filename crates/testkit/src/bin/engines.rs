//! `cargo run -p testkit --bin engines [postgres|mariadb|redis|valkey]...`: servers to try something on by hand.
//!
//! Starts one server of each named engine (all without arguments) through its service commands, prints a
//! line about each, and holds them until its input ends or it is killed.

use std::io::Read;

use anyhow::{Result, bail, ensure};
use testkit::{KeyValueServer, MariaDb, Postgres, Redis, Valkey};

fn main() -> Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["postgres", "mariadb", "redis", "valkey"].map(String::from).to_vec();
    }
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
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
            _ => bail!("unknown engine {name}: postgres, mariadb, redis or valkey"),
        }
    }
    println!("account {} password {}", testkit::BACKUP_USER, testkit::BACKUP_PASSWORD);
    println!("ready; Ctrl-D ends");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(held);
    Ok(())
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
