//! What surrounds a child: variables, user, limits, descriptors, session.

use std::fs::File;

use process::{Command, Credentials, find_program};
use tokio_util::sync::CancellationToken;

use crate::observe::{shell, somebody};

async fn output(command: Command) -> String {
    command.output(&CancellationToken::new()).await.unwrap().stdout
}

#[tokio::test]
async fn environment_holds_what_is_allowed_and_nothing_else() {
    let home = |user: Credentials| {
        nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(user.uid)).unwrap().unwrap().dir.display().to_string()
    };
    for user in [Credentials::current(), somebody()] {
        let text = output(Command::new("env").env("PGAPPNAME", "backup").search_dir("/opt/tools").run_as(user)).await;
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                &format!("HOME={}", home(user)),
                "LANG=C.UTF-8",
                "LC_ALL=C.UTF-8",
                "PATH=/opt/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "PGAPPNAME=backup",
                "TZ=UTC",
            ]
        );
    }
}

#[tokio::test]
async fn run_as_changes_user_group_and_groups() {
    let user = somebody();
    let text = output(shell("id -u; id -ru; id -g; id -G; id -nG").run_as(user)).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], [user.uid.to_string(), user.uid.to_string(), user.gid.to_string()]);
    let name = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(user.uid)).unwrap().unwrap().name;
    let expected = output(Command::new("id").args(["-G", &name])).await;
    assert_eq!(lines[3], expected.trim());
    let status = output(Command::new("cat").arg("/proc/self/status").run_as(user)).await;
    if user.uid != 0 {
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    }
}

#[tokio::test]
async fn a_user_without_an_entry_has_no_other_groups() {
    if Credentials::current().uid == 0 {
        let user = Credentials { uid: 4_000_123, gid: 4_000_124 };
        assert_eq!(output(shell("id -u; id -G; echo $HOME").run_as(user)).await, "4000123\n4000124\n/\n");
    } else {
        let denied = Command::new("true").run_as(Credentials { uid: 0, gid: 0 }).spawn();
        assert!(matches!(denied, Err(process::ProcessError::Spawn { .. })));
    }
}

#[tokio::test]
async fn f81_no_core_dumps() {
    assert_eq!(output(shell("ulimit -Sc; ulimit -Hc")).await, "0\n0\n");
}

#[tokio::test]
async fn a_child_has_its_own_session_and_no_descriptors_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leaked");
    let file = File::create(&path).unwrap();
    // As a library in C might leave it.
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let text = output(shell("echo $$; cat /proc/$$/stat; ls -l /proc/$$/fd; pwd")).await;
    let mut lines = text.lines();
    let pid = lines.next().unwrap();
    let stat = lines.next().unwrap().rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = stat.split(' ').collect();
    assert_eq!((fields[2], fields[3], fields[4]), (pid, pid, "0"), "group, session, terminal");
    assert!(!text.contains("leaked"), "{text}");
    assert_eq!(text.lines().last(), Some("/"));
    drop(file);
}

#[test]
fn programs_are_found_in_fixed_places() {
    let directory = tempfile::tempdir().unwrap();
    let extra = [directory.path().to_path_buf()];
    let tool = extra[0].join("sh");
    assert_ne!(find_program("sh", &extra), Some(tool.clone()));
    std::os::unix::fs::symlink("/bin/sh", &tool).unwrap();
    assert_eq!(find_program("sh", &extra), Some(tool));
    assert_eq!(find_program("/bin/sh", &[]), Some("/bin/sh".into()));
    for absent in ["", "no-such-tool", "bin/sh", "../bin/sh", "/etc/passwd", "/etc"] {
        assert_eq!(find_program(absent, &extra), None, "{absent}");
    }
}

#[test]
fn credentials_of_owners_and_names() {
    let current = Credentials::current();
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(Credentials::of_owner(directory.path()).unwrap().uid, current.uid);
    assert!(Credentials::of_owner(&directory.path().join("absent")).is_err());
    assert_eq!(Credentials::of_user("no-such-user-here").unwrap(), None);
    let root = Credentials { uid: 0, gid: 0 };
    assert_eq!(Credentials::of_user("root").unwrap(), Some(root));
    assert_eq!(Credentials::of_owner("/etc/passwd".as_ref()).unwrap(), root);
}
