//! The `holdfast` binary: control plane, worker and demo in one. This module parses the command line and turns the
//! outcome into an exit status: 0 done, 2 wrong usage or configuration, 1 anything else.

mod access;
mod arguments;
mod audit;
mod catalog;
mod control_database;
mod core_dumps;
mod demo;
mod failure;
mod files;
mod keys;
mod network;
mod oidc;
mod remote;
mod serve;
mod signals;
mod token;
mod user;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, CatalogCommand, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(&arguments);
    core_dumps::switch_off();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("holdfast: {failure}");
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    // Fails only when somebody else installed one before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other("starting the runtime", error))?;
    engines::look_for_programs_in(domain::Engine::Postgresql, arguments.postgresql_bin);
    engines::look_for_programs_in(domain::Engine::Mysql, arguments.mysql_bin);
    runtime.block_on(async {
        match arguments.command {
            Command::Serve(options) => serve::run(*options).await,
            Command::Worker(options) => worker::run(options).await,
            Command::Demo(options) => demo::run(options).await,
            Command::Audit(options) => audit::run(options),
            Command::Keys(options) => keys::run(options),
            Command::User(options) => user::run(options),
            Command::Token(options) => token::run(options),
            Command::Openapi => print_openapi(),
            Command::Backup(options) => remote::backup(options).await,
            Command::Restore(options) => remote::restore(options).await,
            Command::Verify(options) => remote::verify(options).await,
            Command::Catalog(CatalogCommand::List(options)) => remote::list(options).await,
            Command::Catalog(CatalogCommand::Rebuild(options)) => catalog::rebuild(options).await,
        }
    })
}

fn print_openapi() -> Result<(), Failure> {
    let failed = |error: serde_json::Error| Failure::other("writing the OpenAPI document", error);
    // By way of a value, whose keys are sorted: the same document is the same text.
    let document = serde_json::to_value(api::openapi()).map_err(failed)?;
    let text = serde_json::to_string_pretty(&document).map_err(failed)?;
    println!("{text}");
    Ok(())
}

/// Libraries that log what is no news: SQL Server's client every refusal of the server, of which those that matter come back as errors of
/// our own, and that it does not encrypt, since that is done beneath it.
const QUIET: [&str; 1] = ["tiberius=off"];

/// Logs go to stderr, so that stdout holds only what was asked for.
fn start_logging(arguments: &Arguments) {
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = QUIET.iter().filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive);
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if arguments.log_json {
        logging.json().init();
    } else {
        logging.with_target(false).init();
    }
}
