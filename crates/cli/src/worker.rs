//! `holdfast worker`: a worker that takes its jobs from a control plane elsewhere.

use std::collections::BTreeMap;

use ::worker::{WorkerConfig, run_worker};
use domain::name::validate_name;

use crate::arguments::WorkerArguments;
use crate::failure::Failure;
use crate::files::{data_directory_or_default, read_secret};
use crate::network::{client_of, is_on_this_machine};
use crate::serve::worker_directory;
use crate::signals::shutdown_token;

/// Works until it is told to stop.
pub async fn run(arguments: WorkerArguments) -> Result<(), Failure> {
    let shutdown = shutdown_token()?;
    let client = client_of(&arguments.server)?;
    arguments.dial.apply(is_on_this_machine(&arguments.server))?;
    let token = read_secret(&arguments.token_file)?;
    let name = match arguments.name {
        Some(name) => name,
        None => nix::unistd::gethostname()
            .map_err(|error| Failure::other("reading the machine's name", error))?
            .to_string_lossy()
            .into_owned(),
    };
    validate_name(&name)
        .map_err(|error| Failure::configuration(format!("The worker's name {error}."), "Give another --name."))?;
    let data_directory = data_directory_or_default(arguments.data_dir, "holdfast")?;
    let config = WorkerConfig {
        client: client.with_token(token),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: labels(&arguments.labels)?,
        // A worker's own folder: two workers on one machine never settle each other's switches.
        state_directory: worker_directory(&data_directory).join(name.replace('/', "_")),
        name,
    };
    run_worker(config, shutdown).await.map_err(Failure::from)
}

fn labels(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Failure::configuration(
                format!("The label {pair:?} is not KEY=VALUE."),
                "Give --label site=berlin.",
            )),
        })
        .collect()
}
