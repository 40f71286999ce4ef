//! What can be checked of docker-compose.yml and the Dockerfile without a container engine: that the file is whole, lets
//! nobody but this machine in, and that what it feeds to the engines is what they accept.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{MariaDb, Postgres, Redis};
use yaml_rust2::{Yaml, YamlLoader};

/// What `${TRY_PASSWORD:-…}` stands for when nobody says otherwise.
const TRY_PASSWORD: &str = "try-holdfast";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn compose() -> Yaml {
    let text = std::fs::read_to_string(repository().join("docker-compose.yml")).expect("read");
    let mut documents = YamlLoader::load_from_str(&text).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The entries of a mapping, those of its `<<` among them.
fn entries(mapping: &Yaml) -> Vec<(String, Yaml)> {
    let mut entries = Vec::new();
    for (key, value) in mapping.as_hash().into_iter().flatten() {
        match key.as_str().expect("a word") {
            "<<" => entries.extend(self::entries(value)),
            key => entries.push((key.to_owned(), value.clone())),
        }
    }
    entries
}

fn field(mapping: &Yaml, name: &str) -> Yaml {
    entries(mapping).into_iter().find_map(|(key, value)| (key == name).then_some(value)).unwrap_or(Yaml::BadValue)
}

fn strings(list: &Yaml) -> Vec<String> {
    list.as_vec().into_iter().flatten().map(|item| item.as_str().expect("a string").to_owned()).collect()
}

fn names(mapping: &Yaml) -> Vec<String> {
    entries(mapping).into_iter().map(|(name, _)| name).collect()
}

/// The content of one of the inline configuration files, as the container gets it.
fn config(name: &str) -> String {
    let content = field(&field(&field(&compose(), "configs"), name), "content");
    let content = content.as_str().expect("inline content");
    content.replace("${TRY_PASSWORD:-try-holdfast}", TRY_PASSWORD)
}

#[test]
fn every_engine_has_a_server_and_says_whether_it_needs_more() {
    let services = field(&compose(), "services");
    assert_eq!(
        names(&services),
        ["holdfast", "control-database", "postgres", "mariadb", "redis", "valkey", "mysql", "mssql"]
    );
    for (name, service) in entries(&services) {
        let needs_more = strings(&field(&service, "profiles")) == ["on-request"];
        assert_eq!(needs_more, ["mysql", "mssql"].contains(&name.as_str()), "{name}");
        let label = field(&field(&service, "labels"), "holdfast.support");
        assert_eq!(label.as_str(), needs_more.then_some("needs more"), "{name}");
    }
}

#[test]
fn nothing_listens_beyond_loopback() {
    let services = field(&compose(), "services");
    let mut published = Vec::new();
    for (name, service) in entries(&services) {
        let ports = strings(&field(&service, "ports"));
        if name == "holdfast" {
            assert_eq!(field(&service, "network_mode").as_str(), Some("host"));
            let listen = field(&field(&service, "environment"), "HOLDFAST_LISTEN");
            assert_eq!(listen.as_str(), Some("127.0.0.1:8080"));
            assert!(ports.is_empty(), "with the host's network there is nothing to publish");
            continue;
        }
        assert_eq!(ports.len(), 1, "{name}");
        let port = ports[0].strip_prefix("127.0.0.1:").expect("loopback only");
        published.push(port.split_once(':').expect("HOST:CONTAINER").0.to_owned());
    }
    let all = published.len();
    published.sort();
    published.dedup();
    assert_eq!(published.len(), all, "each has a port of its own");
}

#[test]
fn every_name_leads_somewhere() {
    let compose = compose();
    let services = field(&compose, "services");
    let volumes = names(&field(&compose, "volumes"));
    let networks = names(&field(&compose, "networks"));
    let configs = names(&field(&compose, "configs"));
    let mut used = Vec::new();
    for (name, service) in entries(&services) {
        for volume in strings(&field(&service, "volumes")) {
            let volume = volume.split(':').next().expect("a name").to_owned();
            assert!(volumes.contains(&volume), "{name}: volume {volume}");
            used.push(volume);
        }
        for network in strings(&field(&service, "networks")) {
            assert!(networks.contains(&network), "{name}: network {network}");
        }
        for reference in field(&service, "configs").as_vec().into_iter().flatten() {
            let source = field(reference, "source");
            let source = source.as_str().expect("a source").to_owned();
            assert!(configs.contains(&source), "{name}: config {source}");
            used.push(source);
        }
        for dependency in names(&field(&service, "depends_on")) {
            let other = field(&services, &dependency);
            assert!(!field(&other, "healthcheck").is_badvalue(), "{dependency}");
        }
        let image = field(&service, "image");
        let build = field(&service, "build");
        assert_ne!(image.is_badvalue(), build.is_badvalue(), "{name}: image or build");
    }
    for name in volumes.iter().chain(&configs) {
        assert!(used.contains(name), "{name} is used by nobody");
    }
    let build = field(&field(&services, "holdfast"), "build");
    let dockerfile = field(&build, "dockerfile");
    assert!(repository().join(dockerfile.as_str().expect("a path")).is_file());
}

/// `mariadb-backup` reads the files where the server says they are.
#[test]
fn holdfast_sees_mariadbs_files_where_mariadb_has_them_and_cannot_write_them() {
    let services = field(&compose(), "services");
    let mariadb = strings(&field(&field(&services, "mariadb"), "volumes"));
    let holdfast = strings(&field(&field(&services, "holdfast"), "volumes"));
    assert_eq!(mariadb, ["mariadb:/var/lib/mysql"]);
    assert!(holdfast.contains(&"mariadb:/var/lib/mysql:ro".to_owned()));
}

#[test]
fn postgres_accepts_the_accounts_and_lets_the_backup_account_replicate() {
    let server = Postgres::start().expect("start");
    server.sql("drop role holdfast").expect("make place for the file's own account");
    server.sql(&config("postgres-accounts")).expect("the accounts");
    std::fs::write(server.data_directory.join("pg_hba.conf"), config("postgres-hba")).expect("write pg_hba.conf");
    server.sql("select pg_reload_conf()").expect("reload");
    assert_eq!(server.sql("select count(*) from pg_hba_file_rules where error is not null").expect("rules"), "0");
    let identify = |password: &str| {
        Command::new(server.binaries().join("psql"))
            .args(["-AtX", "-c", "IDENTIFY_SYSTEM"])
            .arg(format!("host=127.0.0.1 port={} user=holdfast replication=true", server.port))
            .env("PGPASSWORD", password)
            .output()
            .expect("psql")
            .status
            .success()
    };
    testkit::wait_until("the new rules hold", std::time::Duration::from_secs(30), || !identify("wrong"));
    assert!(identify(TRY_PASSWORD));
}

#[test]
fn mariadb_accepts_the_accounts() {
    let server = MariaDb::start().expect("start");
    server
        .sql("drop user holdfast@'%', holdfast@localhost, holdfast@127.0.0.1")
        .expect("make place for the file's own account");
    server.sql(&config("mariadb-accounts")).expect("accounts");
    let grants = Command::new("mariadb")
        .args(["--no-defaults", "--batch", "--skip-column-names"])
        .args(["--host=127.0.0.1", &format!("--port={}", server.port)])
        .args(["--user=holdfast", "--execute=show grants"])
        .env("MYSQL_PWD", TRY_PASSWORD)
        .output()
        .expect("mariadb");
    let grants = String::from_utf8_lossy(&grants.stdout).into_owned();
    assert!(grants.contains("GRANT RELOAD, PROCESS, REPLICATION SLAVE, BINLOG MONITOR ON *.*"), "{grants}");
}

#[test]
fn redis_accepts_the_accounts() {
    let server = Redis::start().expect("start");
    for line in config("key-value").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["dir", directory] => assert_eq!(*directory, "/data"),
            ["user", rules @ ..] => {
                let command: Vec<&str> = ["acl", "setuser"].iter().chain(rules).copied().collect();
                assert_eq!(server.cmd(&command).expect("the rules"), "OK");
            }
            _ => panic!("an unexpected line: {line}"),
        }
    }
    let ask = |user: &str, question: &[&str]| {
        Command::new("redis-cli")
            .args(["-p", &server.port.to_string(), "--user", user, "-e"])
            .args(question)
            .env("REDISCLI_AUTH", TRY_PASSWORD)
            .output()
            .expect("redis-cli")
            .status
            .success()
    };
    assert!(ask("default", &["set", "key", "value"]));
    assert!(ask("holdfast", &["config", "get", "dir"]));
    assert!(!ask("holdfast", &["get", "key"]), "no more than a backup needs");
}

/// The image is built from a stage that is there, with a feature that is there, and what it installs is on Debian.
#[test]
fn the_dockerfile_fits_the_workspace() {
    let dockerfile = std::fs::read_to_string(repository().join("crates/cli/Dockerfile")).expect("read");
    let workspace = std::fs::read_to_string(repository().join("Cargo.toml")).expect("read");
    let program = std::fs::read_to_string(repository().join("crates/cli/Cargo.toml")).expect("read");

    let rust = workspace
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("rust-version")
        .trim_matches('"');
    assert!(dockerfile.contains(&format!("FROM rust:{rust}-bookworm AS build\n")));
    assert!(dockerfile.contains("--features holdfast/bundled-libpq"));
    assert!(program.contains("name = \"holdfast\"\n") && program.contains("\nbundled-libpq = "));
    let user = dockerfile.find("\nUSER holdfast\n").expect("not root");
    let entry = dockerfile.find("\nENTRYPOINT ").expect("an entry point");
    assert!(user < entry);
}
