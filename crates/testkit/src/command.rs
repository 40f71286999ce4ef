//! Runs a short command to its end.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `command` without input and returns its standard output; a failure carries what it said on standard error.
pub(crate) fn run(command: Command) -> Result<String> {
    run_with_input(command, "")
}

/// As [`run`], with `input` on standard input.
pub(crate) fn run_with_input(mut command: Command, input: &str) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {name}"))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Written beside reading, or both sides could wait for each other. A child that ends without reading its input
        // makes the write fail; its exit status tells more than that.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })
    .with_context(|| format!("wait for {name}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}{}", output.status, stderr.trim(), stdout.trim());
    }
    Ok(stdout)
}

/// Runs an argument list such as a datastore's service is described with.
pub(crate) fn run_arguments(arguments: &[String]) -> Result<String> {
    let (program, rest) = arguments.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command.args(rest).current_dir("/");
    run(command).with_context(|| format!("run {}", arguments.join(" ")))
}
