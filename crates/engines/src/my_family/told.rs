//! What a server tells of itself: who was let in, since when it runs, and its variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::client::Row;

/// What it told at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// The account that the login was matched to, as `CURRENT_USER()` writes it: `user@host`.
    pub account: String,
    pub uptime_seconds: u64,
    variables: BTreeMap<String, String>,
}

impl Told {
    /// The statements that ask for it. `variables` are plain names; a server lacks those of other versions.
    pub(crate) fn question(variables: &[&str]) -> String {
        let names: Vec<String> = variables.iter().map(|name| format!("'{name}'")).collect();
        format!(
            "SELECT 'account', CURRENT_USER(); SHOW GLOBAL STATUS WHERE Variable_name = 'Uptime'; \
             SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})",
            names.join(", ")
        )
    }

    /// Of the answer: rows of a name and a value.
    pub(crate) fn of(rows: Vec<Row>) -> Self {
        let pairs = rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
        let mut variables: BTreeMap<_, _> = pairs.map(|[name, value]| (name.to_ascii_lowercase(), value)).collect();
        Self {
            account: variables.remove("account").unwrap_or_default(),
            uptime_seconds: variables.remove("uptime").and_then(|text| text.parse().ok()).unwrap_or(0),
            variables,
        }
    }

    /// A variable's value, empty where the server has none of that name.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn version(&self) -> &str {
        self.variable("version")
    }

    /// The data directory as the server names it, without the slash at its end.
    pub(crate) fn data_directory(&self) -> PathBuf {
        let text = self.variable("datadir");
        let trimmed = text.trim_end_matches('/');
        PathBuf::from(if trimmed.is_empty() { text } else { trimmed })
    }

    /// The binary log's file names without their number, where it is written into the data directory.
    pub(crate) fn binary_log_inside(&self) -> Option<String> {
        let base = Path::new(self.variable("log_bin_basename"));
        let inside = base.parent()? == self.data_directory();
        inside.then(|| base.file_name()?.to_str().map(str::to_owned)).flatten()
    }

    /// Why the data directory does not hold all of the server's data, where that is so. `settings` each name a directory.
    pub(crate) fn data_elsewhere(&self, settings: &[&str]) -> Option<String> {
        let directory = self.data_directory();
        let outside = settings.iter().find_map(|name| {
            let value = self.variable(name);
            let path = directory.join(value);
            // A backup has the files of all of them side by side.
            let inside = value.is_empty() || path.components().collect::<PathBuf>() == directory;
            (!inside).then(|| format!("{name} is {value}"))
        });
        let system_tablespace = self
            .variable("innodb_data_file_path")
            .split(';')
            .map(|file| file.split(':').next().unwrap_or_default())
            .find(|file| file.starts_with('/'))
            .map(|file| format!("innodb_data_file_path names {file}"));
        outside
            .or(system_tablespace)
            .map(|what| format!("The data directory {} does not hold all data: {what}.", directory.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> Told {
        let pairs = [("datadir", "/var/lib/mysql/")].into_iter().chain(variables.iter().copied());
        Told::of(pairs.map(|(name, value)| vec![name.to_owned(), value.to_owned()]).collect())
    }

    #[test]
    fn data_outside_the_data_directory_is_found() {
        let setting = "innodb_undo_directory";
        let elsewhere = |value| told(&[(setting, value)]).data_elsewhere(&[setting]);
        for inside in ["", "./", "/var/lib/mysql/", "/var/lib/mysql"] {
            assert_eq!(elsewhere(inside), None, "{inside}");
        }
        for outside in ["/var/lib/undo", "/var/lib/mysql2", "undo"] {
            let reason = elsewhere(outside).expect("a reason");
            assert!(reason.contains(outside) && reason.contains(setting), "{reason}");
        }
        let path = |value| told(&[("innodb_data_file_path", value)]).data_elsewhere(&[]);
        assert!(path("ibdata1:12M;/fast/ibdata2:1M:autoextend").is_some());
        assert_eq!(path("ibdata1:12M:autoextend"), None);
    }

    #[test]
    fn binary_logs_are_told_inside_or_outside() {
        let inside = told(&[("log_bin_basename", "/var/lib/mysql/binlog")]);
        assert_eq!(inside.binary_log_inside().as_deref(), Some("binlog"));
        assert_eq!(told(&[("log_bin_basename", "/var/log/mysql/binlog")]).binary_log_inside(), None);
        assert_eq!(told(&[]).binary_log_inside(), None);
    }

    #[test]
    fn names_are_read_whatever_their_case() {
        let rows =
            [["account", "a@b"], ["Uptime", "7"], ["Version", "9.7.4"]].map(|row| row.map(str::to_owned).to_vec());
        let told = Told::of(rows.to_vec());
        assert_eq!((told.account.as_str(), told.uptime_seconds, told.version()), ("a@b", 7, "9.7.4"));
    }
}
