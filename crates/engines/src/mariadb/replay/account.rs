//! The account of a replay's session.
//!
//! A server that takes everybody (`--skip-grant-tables`) refuses statements about accounts, roles and events, which a log may
//! hold. So one account is made before the log begins and dropped when it has ended, both without a trace in a binary log.

use domain::Secret;
use process::SecretFile;

use crate::my_family::option_file::client_options;

/// An account that exists while a log is replayed.
pub(super) struct Account {
    name: String,
    password: Secret,
}

impl Account {
    pub(super) fn invent() -> Self {
        let number = || uuid::Uuid::new_v4().simple().to_string();
        Self { name: format!("holdfast_{}", number()), password: Secret::new(format!("Aa1!{}", number())) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The option file to log in with.
    pub(super) fn options(&self) -> SecretFile {
        client_options(Some(&self.password))
    }

    /// For `--init-file`: a statement in a line. It may hand on every role that there is, as statements of the log do.
    pub(super) fn creation(&self) -> String {
        let (name, password) = (&self.name, self.password.expose());
        format!(
            "SET SESSION sql_log_bin = 0;\n\
             CREATE USER '{name}'@'localhost' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO '{name}'@'localhost' WITH GRANT OPTION;\n\
             INSERT INTO mysql.roles_mapping SELECT 'localhost', '{name}', User, 'Y' FROM mysql.global_priv \
             WHERE Host = '' AND JSON_CONTAINS(Priv, 'true', '$.is_role');\n\
             FLUSH LOCAL PRIVILEGES;\n"
        )
    }

    pub(super) fn removal(&self) -> String {
        format!("DROP USER '{}'@'localhost';", self.name)
    }
}
