//! What a server refuses, with the numbers that SQL Server gives it ("Database engine events and errors" of its manual).

use super::media::Lsn;

/// One message of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    pub number: u32,
    /// Its severity; what is up to 10 is no error.
    pub class: u8,
    pub message: String,
    /// A message that follows: a backup's or restore's cause comes before the general one.
    pub(super) then: Option<Box<ServerError>>,
}

impl ServerError {
    pub(super) fn new(number: u32, class: u8, message: impl Into<String>) -> Self {
        Self { number, class, message: message.into(), then: None }
    }

    fn ending(self, what: &str) -> Self {
        let end = Self::new(3013, 16, format!("{what} is terminating abnormally."));
        Self { then: Some(Box::new(end)), ..self }
    }

    /// The cause, followed by the message that a backup or restore ended.
    pub(super) fn ends(self, statement: &str) -> Self {
        match self.then {
            None if self.number != 3013 => self.ending(statement),
            _ => self,
        }
    }

    pub(super) fn syntax(near: &str) -> Self {
        Self::new(102, 15, format!("Incorrect syntax near '{near}'."))
    }

    pub(super) fn login_failed(user: &str) -> Self {
        Self::new(18456, 14, format!("Login failed for user '{user}'."))
    }

    pub(super) fn permission(what: &str, database: &str) -> Self {
        Self::new(262, 14, format!("{what} permission denied in database '{database}'."))
    }

    pub(super) fn no_database(name: &str) -> Self {
        let message = format!("Database '{name}' does not exist. Make sure that the name is entered correctly.");
        Self::new(911, 16, message)
    }

    pub(super) fn database_exists(name: &str) -> Self {
        Self::new(1801, 16, format!("Database '{name}' already exists. Choose a different database name."))
    }

    pub(super) fn restoring(name: &str) -> Self {
        Self::new(927, 14, format!("Database '{name}' cannot be opened. It is in the middle of a restore."))
    }

    pub(super) fn offline(name: &str) -> Self {
        Self::new(942, 14, format!("Database '{name}' cannot be opened because it is offline."))
    }

    pub(super) fn in_use(name: &str) -> Self {
        let message = "Exclusive access could not be obtained because the database is in use.";
        Self::new(3101, 16, format!("{message} ({name})"))
    }

    pub(super) fn device(path: &str, reason: &str) -> Self {
        Self::new(3201, 16, format!("Cannot open backup device '{path}'. Operating system error {reason}."))
    }

    /// What a URL can't be used for.
    pub(super) fn unsupported(url: &str) -> Self {
        Self::device(url, "50(The request is not supported.)")
    }

    pub(super) fn not_media(path: &str) -> Self {
        let message = format!("The media family on device '{path}' is incorrectly formed. It can't be processed.");
        Self::new(3241, 16, message)
    }

    pub(super) fn too_recent(first: Lsn, needed: Lsn) -> Self {
        Self::new(
            4305,
            16,
            format!(
                "The log in this backup set begins at LSN {first}, which is too recent to apply to the database. An earlier log \
                 backup that includes LSN {needed} can be restored."
            ),
        )
    }

    pub(super) fn too_early(last: Lsn, needed: Lsn) -> Self {
        Self::new(
            4326,
            16,
            format!(
                "The log in this backup set terminates at LSN {last}, which is too early to apply to the database. A more recent \
                 log backup that includes LSN {needed} can be restored."
            ),
        )
    }
}
