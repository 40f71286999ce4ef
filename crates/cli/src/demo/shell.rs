//! Runs the engines' tools for the demo's own work. Statements go through stdin, so that no secret stands in an argument.

use std::time::Duration;

use anyhow::Context;
use process::{Command, Credentials};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// No single step of setting up or trading takes longer.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// Runs a tool to its end with `input` as its standard input; gives what it wrote.
///
/// # Errors
/// When it can't be run or exits with anything but 0; the last lines it wrote to stderr are in the error.
pub async fn run_with_input(program: &str, command: Command, input: &str) -> anyhow::Result<String> {
    let mut child = command.stdin_piped().stdout_piped().time_limit(STEP_LIMIT).spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A tool that ends early tells why by its exit status.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let read = async {
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            let _ = stdout.read_to_string(&mut text).await;
        }
        text
    };
    let never = CancellationToken::new();
    let ((), text, exit) = tokio::join!(write, read, child.wait(&never));
    let exit = exit?;
    let said = exit.stderr_tail.join("\n");
    exit.success_or_error(program).with_context(|| said)?;
    Ok(text)
}

/// Runs a tool as a server's owner, where the demo is root.
pub fn as_owner(command: Command, owner: Option<Credentials>) -> Command {
    match owner {
        Some(owner) => command.run_as(owner),
        None => command,
    }
}

/// The system user that a server runs as: its own where the demo is root, otherwise the person.
pub fn system_user(name: &str) -> anyhow::Result<Option<Credentials>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let found = Credentials::of_user(name)?;
    Ok(Some(found.with_context(|| format!("there is no system user {name}; install the server's Debian package"))?))
}
