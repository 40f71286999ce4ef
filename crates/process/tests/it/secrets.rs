//! Secrets reach the child and nobody else.

use std::fs;

use process::{Command, Credentials, ProcessError, SecretFile};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::observe::{Lines, shell, somebody, until};

const CANARY: &str = "canary-7f3a-password";

fn canary() -> SecretString {
    SecretString::from(CANARY)
}

#[tokio::test]
async fn f80_secret_file_is_read_by_the_childs_user_alone() {
    for user in [Credentials::current(), somebody()] {
        // Twice, because tools do; and by a grandchild.
        let script =
            "name=${1#--file=}; stat -L -c '%a %u %g' $name; cat $name; cat < $name; echo x >> $name || echo sealed";
        let output = shell(script)
            .arg("sh")
            .arg_secret_file("--file=", SecretFile::new(SecretString::from("content\n")))
            .run_as(user)
            .output(&CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(output.stdout, format!("600 {} {}\ncontent\ncontent\nsealed\n", user.uid, user.gid));
    }
}

#[tokio::test]
async fn f80_a_real_tool_reads_its_options_from_a_secret_file() {
    let options = SecretFile::new(SecretString::from(format!("[client]\nuser=backup\npassword={CANARY}\n")));
    let output = Command::new("my_print_defaults")
        .arg_secret_file("--defaults-extra-file=", options)
        .arg("client")
        .run_as(somebody())
        .output(&CancellationToken::new())
        .await
        .unwrap();
    assert!(output.stdout.contains("--user=backup\n"));
    assert!(output.stdout.contains(&format!("--password={CANARY}\n")));
}

#[tokio::test]
async fn f80_no_secret_in_arguments_and_files_not_in_the_environment() {
    let lines = Lines::default();
    let script =
        "cat \"$PGPASSFILE\" > /dev/null && cat ${1#--defaults-extra-file=} > /dev/null && echo read; exec sleep 1000";
    let child = lines
        .listen(shell(script))
        .arg("sh")
        .arg_secret_file("--defaults-extra-file=", SecretFile::new(canary()))
        .env_secret_file("PGPASSFILE", SecretFile::new(canary()))
        .spawn()
        .unwrap();
    until("both files were read", || lines.text() == ["read"]).await;
    let of = |file: &str| String::from_utf8(fs::read(format!("/proc/{}/{file}", child.id())).unwrap()).unwrap();
    until("it became sleep", || of("cmdline").starts_with("sleep")).await;
    assert!(!of("cmdline").contains(CANARY));
    assert!(!of("environ").contains(CANARY));
    assert!(of("environ").contains("PGPASSFILE=/dev/fd/"));
}

#[tokio::test]
async fn f80_arguments_name_the_file_and_not_its_content() {
    let lines = Lines::default();
    let child = lines
        .listen(shell("echo up; read line"))
        .args(["sh", "--plain"])
        .arg_secret_file("--defaults-extra-file=", SecretFile::new(canary()))
        .env_secret("REDISCLI_AUTH", canary())
        .stdin_piped()
        .spawn()
        .unwrap();
    until("it runs", || lines.text() == ["up"]).await;
    let cmdline = String::from_utf8(fs::read(format!("/proc/{}/cmdline", child.id())).unwrap()).unwrap();
    let arguments: Vec<&str> = cmdline.trim_end_matches('\0').split('\0').collect();
    assert!(arguments.last().unwrap().starts_with("--defaults-extra-file=/dev/fd/"), "{arguments:?}");
    assert!(!cmdline.contains(CANARY));
}

#[tokio::test]
async fn f80_secret_files_are_not_inherited_by_other_children() {
    let first = shell("read line").arg_secret_file("", SecretFile::new(canary())).stdin_piped().spawn().unwrap();
    let output = shell("ls -l /proc/self/fd").output(&CancellationToken::new()).await.unwrap();
    assert!(!output.stdout.contains("memfd"), "{}", output.stdout);
    drop(first);
}

#[tokio::test]
async fn f81_output_and_errors_are_redacted() {
    let lines = Lines::default();
    let script = "echo \"login with $1 ok\"; printf \"%s and $REDISCLI_AUTH\" \"$1\" >&2; exit 1";
    let command = lines
        .listen(shell(script))
        .arg("sh")
        // Only so that the child knows what to betray.
        .arg(CANARY)
        .redact(canary())
        .env_secret("REDISCLI_AUTH", SecretString::from("second-secret"));
    assert!(!format!("{command:?}").contains(CANARY));
    let error = command.output(&CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.stderr_tail(), ["[redacted] and [redacted]"]);
    let mut text = lines.text();
    text.sort();
    assert_eq!(text, ["[redacted] and [redacted]", "login with [redacted] ok"]);
    assert!(!format!("{error} {error:?}").contains("secret"));
    assert!(matches!(error, ProcessError::Exit { .. }));

    let output =
        shell("echo $TOKEN-$TOKEN").env_secret("TOKEN", canary()).output(&CancellationToken::new()).await.unwrap();
    assert_eq!(output.stdout, "[redacted]-[redacted]\n");
}

#[tokio::test]
async fn f81_a_secret_at_the_cut_of_a_long_line_is_redacted() {
    let script = "head -c 4090 /dev/zero | tr '\\0' x; echo $TOKEN and more";
    let lines = Lines::default();
    let mut child = lines.listen(shell(script)).env_secret("TOKEN", canary()).spawn().unwrap();
    child.wait(&CancellationToken::new()).await.unwrap();
    assert_eq!(lines.text(), [format!("{}[redacted]", "x".repeat(4090))]);
}
