//! `holdfast user`: who may sign in. Works on the control database itself, so it helps who is locked out.

use clap::{Args, Subcommand};
use domain::SubjectKind;
use domain::access::{Grant, Role, User, UserCreate, UserPatch, UserSource};
use domain::list::MAX_LIMIT;
use domain::name::validate_name;
use store::{PageRequest, Store, now};

use crate::access::{acting, failed, grant_of};
use crate::control_database::ControlDatabaseArguments;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct UserArguments {
    #[command(subcommand)]
    command: UserCommand,
    #[command(flatten)]
    database: ControlDatabaseArguments,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List the users.
    List,
    /// Add a user, and print the one-time link to set a password with.
    Add {
        name: String,
        /// viewer, operator or administrator.
        #[arg(long)]
        role: Role,
        /// The project that the role is for; everything when left out.
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        link: LinkArguments,
    },
    /// Print a one-time link to set another password with; it is good for a day.
    SetPassword {
        name: String,
        /// Take the second factor away, for who lost it.
        #[arg(long)]
        reset_two_factor: bool,
        #[command(flatten)]
        link: LinkArguments,
    },
    /// Keep a user from signing in, and end all sessions.
    Disable { name: String },
    /// Let a disabled user sign in again.
    Enable { name: String },
}

#[derive(Debug, Args)]
struct LinkArguments {
    /// Where people open the service.
    #[arg(long, env = "HOLDFAST_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

impl LinkArguments {
    fn print(&self, token: &domain::Secret) {
        println!("{}/setup#{}", self.url.trim_end_matches('/'), token.expose());
    }
}

/// Runs the command.
pub fn run(arguments: UserArguments) -> Result<(), Failure> {
    let store = arguments.database.open()?;
    match arguments.command {
        UserCommand::List => list(&store),
        UserCommand::Add { name, role, project, link } => {
            if let Err(error) = validate_name(&name) {
                return Err(Failure::configuration(format!("The name {error}."), "Choose another name."));
            }
            let grants = vec![grant_of(&store, role, project.as_deref())?];
            let create = UserCreate { username: name, grants };
            let made = acting(&store, "user_create", SubjectKind::User).user_create(&create, now()).map_err(failed)?;
            link.print(&made.setup_link_token);
            Ok(())
        }
        UserCommand::SetPassword { name, reset_two_factor, link } => {
            let user = named(&store, &name)?;
            if user.source == UserSource::Oidc {
                return Err(Failure::configuration(
                    format!("{name} signs in at the OpenID provider and has no password here."),
                    "Add another user: holdfast user add.",
                ));
            }
            if reset_two_factor {
                let patch = UserPatch { reset_two_factor: Some(true), ..UserPatch::default() };
                update(&store, &user, &patch)?;
            }
            let acting = acting(&store, "user_setup_link", SubjectKind::User);
            link.print(&acting.user_setup_link(user.id, now()).map_err(failed)?.setup_link_token);
            Ok(())
        }
        UserCommand::Disable { name } => set_disabled(&store, &name, true),
        UserCommand::Enable { name } => set_disabled(&store, &name, false),
    }
}

fn named(store: &Store, name: &str) -> Result<User, Failure> {
    let missing = || Failure::configuration(format!("There is no user {name:?}."), "See: holdfast user list.");
    store.user_by_name(name).map_err(failed)?.ok_or_else(missing)
}

fn set_disabled(store: &Store, name: &str, disabled: bool) -> Result<(), Failure> {
    let user = named(store, name)?;
    update(store, &user, &UserPatch { disabled: Some(disabled), ..UserPatch::default() })
}

fn update(store: &Store, user: &User, patch: &UserPatch) -> Result<(), Failure> {
    acting(store, "user_patch", SubjectKind::User).user_update(user.id, patch, now()).map_err(failed)?;
    Ok(())
}

fn list(store: &Store) -> Result<(), Failure> {
    let mut page = PageRequest { limit: MAX_LIMIT, cursor: None };
    loop {
        let found = store.user_list(&page).map_err(failed)?;
        for user in found.items {
            let roles: Vec<String> = user.grants.iter().map(role_text).collect();
            println!("{}\t{}\t{}\t{}", user.username, user.status, user.source, roles.join(", "));
        }
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            return Ok(());
        }
    }
}

fn role_text(grant: &Grant) -> String {
    match grant.project_id {
        None => grant.role.to_string(),
        Some(project) => format!("{} of project {project}", grant.role),
    }
}
