//! The account of a replay's session.
//!
//! A server that takes everybody (`--skip-grant-tables`) refuses statements about accounts, roles and events, which a log may
//! hold. So one account is made before the log begins and dropped when it has ended, both without a trace in a binary log.

use domain::Secret;
use process::SecretFile;

use crate::my_family::option_file::client_options;

/// An account that exists while a log is replayed.
pub(crate) struct Account {
    name: String,
    password: Secret,
}

impl Account {
    pub(crate) fn invent() -> Self {
        let number = || uuid::Uuid::new_v4().simple().to_string();
        // MySQL's names have 32 characters at most.
        let name = format!("holdfast_{}", number()).chars().take(32).collect();
        Self { name, password: Secret::new(format!("Aa1!{}", number())) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The option file to log in with.
    pub(crate) fn options(&self) -> SecretFile {
        client_options(Some(&self.password))
    }

    /// For `--init-file`: a statement in a line.
    pub(crate) fn creation(&self) -> String {
        let (name, password) = (&self.name, self.password.expose());
        format!(
            "SET SESSION sql_log_bin = 0;\n\
             CREATE USER '{name}'@'localhost' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO '{name}'@'localhost' WITH GRANT OPTION;\n"
        )
    }

    pub(crate) fn removal(&self) -> String {
        format!("DROP USER '{}'@'localhost';", self.name)
    }
}
