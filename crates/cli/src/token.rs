//! `holdfast token`: credentials of programs and workers. Works on the control database itself.

use clap::{Args, Subcommand};
use domain::SubjectKind;
use domain::access::{Role, Token, TokenCreate, TokenKind};
use domain::list::MAX_LIMIT;
use store::{PageRequest, Store, TokenOrder, now};
use uuid::Uuid;

use crate::access::{acting, failed, grant_of};
use crate::control_database::ControlDatabaseArguments;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    database: ControlDatabaseArguments,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and print its secret, which is kept nowhere. From the first one on the service asks everybody for
    /// credentials.
    Create(CreateArguments),
    /// List the tokens, without their secrets.
    List,
    /// End a token at once.
    Revoke {
        /// The id that the list shows.
        id: Uuid,
    },
}

#[derive(Debug, Args)]
struct CreateArguments {
    /// What it is for, for people.
    #[arg(long)]
    name: String,
    /// api, or worker: for a worker, which may claim and report jobs and nothing else.
    #[arg(long, default_value = "api")]
    kind: TokenKind,
    /// viewer, operator or administrator; not for a worker.
    #[arg(long, required_if_eq("kind", "api"))]
    role: Option<Role>,
    /// The project that the role is for; everything when left out.
    #[arg(long)]
    project: Option<String>,
    /// After how many days it ends; never when left out.
    #[arg(long)]
    expires_in_days: Option<u32>,
}

/// Runs the command.
pub fn run(arguments: TokenArguments) -> Result<(), Failure> {
    let store = arguments.database.open()?;
    match arguments.command {
        TokenCommand::Create(create) => make(&store, create),
        TokenCommand::List => list(&store),
        TokenCommand::Revoke { id } => {
            acting(&store, "token_delete", SubjectKind::Token).token_delete(id, None, now()).map_err(failed)
        }
    }
}

fn make(store: &Store, arguments: CreateArguments) -> Result<(), Failure> {
    let CreateArguments { name, kind, role, project, expires_in_days } = arguments;
    let project_id = match project {
        Some(project) => grant_of(store, Role::Viewer, Some(&project))?.project_id,
        None => None,
    };
    let create = TokenCreate { name, kind, role, project_id, expires_in_days };
    if let Some(error) = create.validate().first() {
        let option = error.pointer.trim_start_matches('/').replace('_', "-");
        return Err(Failure::configuration(
            format!("--{option} {}.", error.detail),
            "See: holdfast token create --help.",
        ));
    }
    let order = TokenOrder { create: &create, owner: None, created_by: "command line" };
    let made = acting(store, "token_create", SubjectKind::Token).token_create(&order, now()).map_err(failed)?;
    println!("{}", made.secret.expose());
    Ok(())
}

fn list(store: &Store) -> Result<(), Failure> {
    let mut page = PageRequest { limit: MAX_LIMIT, cursor: None };
    loop {
        let found = store.token_list(None, &page).map_err(failed)?;
        for token in &found.items {
            println!("{}", line(token));
        }
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            return Ok(());
        }
    }
}

fn line(token: &Token) -> String {
    let role = token.role.map_or_else(
        || token.kind.to_string(),
        |role| match token.project_id {
            None => role.to_string(),
            Some(project) => format!("{role} of project {project}"),
        },
    );
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or("never".to_owned(), |at| at.to_rfc3339());
    let (expires, used) = (time(token.expires_at), time(token.last_used_at));
    format!("{}\t{}\t{role}\texpires {expires}\tlast used {used}\tmade by {}", token.id, token.name, token.created_by)
}
