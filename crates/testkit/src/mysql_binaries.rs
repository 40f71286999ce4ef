//! Where MySQL's programs come from: the packages of Debian's development line, since no release of it has MySQL and no wheel
//! holds it.
//!
//! Nothing of the machine is changed, and root is not needed: apt works in a root of its own that knows of no installed package,
//! so that it names every library; the packages are unpacked beside each other, and each program is started by its own
//! dynamic linker. The signatures are checked against Debian's own keys. What that line holds moves: the newest is taken.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::scratch::scratch_directory;
use crate::{cache, command};

const SUITE: &str = "sid";
const PACKAGES: [&str; 2] = ["mysql-server-core", "mysql-client-core"];
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Dependencies of the packages' scripts, which nobody runs here.
const UNUSED: [&str; 7] = ["perl", "libperl", "libgdbm", "libdb5", "libc-gconv-modules", "gcc-", "libtirpc-common"];
const SERVER: &str = "usr/sbin/mysqld";
/// Those that the product and its tests call.
const CLIENTS: [&str; 5] = ["mysql", "mysqladmin", "mysqlbinlog", "mysqldump", "my_print_defaults"];

/// MySQL removes its file with the process id long before it ends, so that `start-stop-daemon` would not wait for the end.
const STOP: &str = "stop-mysqld";
const STOP_SCRIPT: &str = r#"#!/bin/sh
process=$(cat "$1" 2>/dev/null) || exit 0
runs() { [ "$(readlink "/proc/$process/exe")" -ef "$2" ]; }
runs "$@" || exit 0
kill -TERM "$process"
round=0
while runs "$@"; do
    round=$((round + 1))
    [ "$round" -lt 600 ] || exit 1
    sleep 0.1
done
"#;

static COPY: Mutex<Option<MysqlBinaries>> = Mutex::new(None);

/// MySQL's programs, as a copy that lives as long as this process: nobody but root can enter root's cache, and the server runs
/// as somebody else.
#[derive(Debug, Clone)]
pub struct MysqlBinaries {
    /// Holds `mysqld`, `mysql`, `mysqladmin`, `mysqlbinlog`, `mysqldump`, `my_print_defaults`.
    pub directory: PathBuf,
    /// What `/proc/<id>/exe` of each of them is: the dynamic linker.
    pub executable: PathBuf,
}

/// MySQL 9 or later.
///
/// # Errors
/// When it is not in the cache and can't be fetched: why.
pub fn mysql() -> Result<MysqlBinaries> {
    let mut copy = COPY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(binaries) = copy.as_ref() {
        return Ok(binaries.clone());
    }
    let has_clients = |directory: &Path| CLIENTS.iter().all(|name| directory.join("usr/bin").join(name).is_file());
    let is_whole =
        |directory: &Path| directory.join(SERVER).is_file() && has_clients(directory) && linker(directory).is_ok();
    let kept = cache::kept("mysql", SUITE, is_whole, fetch).context("MySQL can't be had for tests")?;
    let folder = scratch_directory("mysql")?;
    let tree = folder.join("tree");
    let mut link = Command::new("cp");
    // Links where cache and copy are on one file system.
    link.args(["-a", "--link", "--"]).arg(&kept).arg(&tree);
    if command::run(link).is_err() {
        let _ = fs::remove_dir_all(&tree);
        let mut cp = Command::new("cp");
        cp.args(["-a", "--reflink=auto", "--"]).arg(&kept).arg(&tree);
        command::run(cp)?;
    }
    let binaries = MysqlBinaries { directory: folder.join("bin"), executable: linker(&tree)? };
    fs::create_dir(&binaries.directory).context("make the directory of the programs")?;
    for client in CLIENTS {
        binaries.wrap(client, &tree.join("usr/bin").join(client), "")?;
    }
    let paths = format!(
        "--basedir='{0}/usr' --plugin-dir='{0}/usr/lib/mysql/plugin' --lc-messages-dir='{0}/usr/share/mysql' \
         --character-sets-dir='{0}/usr/share/mysql/charsets' --secure-file-priv=NULL",
        tree.display()
    );
    binaries.wrap("mysqld", &tree.join(SERVER), &paths)?;
    write_program(&binaries.directory.join(STOP), STOP_SCRIPT)?;
    *copy = Some(binaries.clone());
    Ok(binaries)
}

impl MysqlBinaries {
    /// A program that runs `real` with libraries of its own, and `options` behind one about option files, which must come first.
    fn wrap(&self, name: &str, real: &Path, options: &str) -> Result<()> {
        let path = self.directory.join(name);
        let libraries = self.executable.parent().context("a linker in no directory")?;
        let script = format!(
            "#!/bin/sh\nfirst=\ncase \"$1\" in --no-defaults | --defaults-*) first=$1; shift ;; esac\n\
             exec '{linker}' --library-path '{libraries}:{libraries}/libproxy' --argv0 '{path}' '{real}' ${{first:+\"$first\"}} {options} \"$@\"\n",
            linker = self.executable.display(),
            libraries = libraries.display(),
            path = path.display(),
            real = real.display(),
        );
        write_program(&path, &script)
    }

    /// Stops the server whose process id is in a file, and waits for its end; a stopped one is no failure.
    pub(crate) fn stop_command(&self, process_id_file: &Path) -> Vec<String> {
        [&self.directory.join(STOP), process_id_file, &self.executable].map(|path| path.display().to_string()).to_vec()
    }
}

fn write_program(path: &Path, script: &str) -> Result<()> {
    fs::write(path, script)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("write {}", path.display()))
}

/// The dynamic linker below `tree`; its directory holds the libraries.
fn linker(tree: &Path) -> Result<PathBuf> {
    let libraries = fs::read_dir(tree.join("usr/lib")).context("look for libraries")?;
    libraries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")))
        .context("no dynamic linker was unpacked")
}

/// Downloads and unpacks, below `staging`.
fn fetch(staging: &Path) -> Result<PathBuf> {
    ensure!(Path::new(KEYS).is_file(), "{KEYS} is missing (Debian: debian-archive-keyring)");
    let root = staging.join("apt");
    for directory in ["state/lists/partial", "cache/archives/partial", "etc/sources.list.d", "debs"] {
        let path = root.join(directory);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
    }
    fs::write(root.join("state/status"), "").context("write apt's status")?;
    let source = format!("deb [signed-by={KEYS}] {} {SUITE} main\n", mirror()?);
    fs::write(root.join("etc/sources.list"), source).context("write apt's sources")?;

    command::run(apt(&root, &["update"])).context("read the list of Debian's packages")?;
    let install: Vec<&str> = ["--simulate", "install"].into_iter().chain(PACKAGES).collect();
    let plan = command::run(apt(&root, &install)).context("find out what MySQL needs")?;
    let needed: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .filter(|name| !UNUSED.iter().any(|unused| name.starts_with(unused)))
        .collect();
    let download: Vec<&str> = std::iter::once("download").chain(needed).collect();
    command::run(apt(&root, &download)).context("download MySQL's packages")?;

    let tree = staging.join("tree");
    let entries = fs::read_dir(root.join("debs")).context("look at the packages")?;
    for package in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.arg("--extract").arg(&package).arg(&tree);
        command::run(dpkg).with_context(|| format!("unpack {}", package.display()))?;
    }
    for useless in ["usr/share/doc", "usr/share/man", "usr/share/locale"] {
        let _ = fs::remove_dir_all(tree.join(useless));
    }
    let clients = fs::read_dir(tree.join("usr/bin")).context("look at the programs")?;
    for program in clients.filter_map(|entry| Some(entry.ok()?.path())) {
        if !CLIENTS.iter().any(|client| program.ends_with(client)) {
            fs::remove_file(&program).with_context(|| format!("remove {}", program.display()))?;
        }
    }
    // Whoever runs the server reads them.
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o755)).context("open the programs to others")?;
    Ok(tree)
}

/// apt in a root of its own.
fn apt(root: &Path, arguments: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    let place = |name: &str, inner: &str| format!("{name}={}", root.join(inner).display());
    let options = [
        place("Dir::State", "state"),
        place("Dir::State::status", "state/status"),
        place("Dir::Cache", "cache"),
        place("Dir::Etc", "etc"),
        "APT::Install-Recommends=false".into(),
        "APT::Sandbox::User=root".into(),
        "Acquire::Languages=none".into(),
        "Acquire::Retries=3".into(),
        // A mirror that stands still is as good.
        "Acquire::Check-Valid-Until=false".into(),
    ];
    apt.arg("--quiet").current_dir(root.join("debs"));
    for option in options {
        apt.arg("--option").arg(option);
    }
    apt.args(arguments);
    apt
}

/// The mirror of Debian that this machine uses.
fn mirror() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let mirrors = command::run(targets).context("ask apt for the machine's mirror of Debian")?;
    match mirrors.lines().find(|mirror| mirror.trim_end_matches('/').ends_with("/debian")) {
        Some(mirror) => Ok(mirror.to_owned()),
        None => bail!("apt knows no mirror of Debian on this machine"),
    }
}
