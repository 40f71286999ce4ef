//! A clone that comes over the network: a server of the worker's own fetches it (`CLONE INSTANCE FROM … DATA DIRECTORY`), for
//! datastores whose files the worker can't read.
//!
//! With a directory named, the fetching server keeps its own data and is not restarted (manual, "Cloning Remote Data"), so that it
//! can be asked whether the clone is complete. The other server ends its part when the fetching one is gone (seen with 9.7), so
//! killing that one is all that stopping takes. // F-01, F-04

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use process::{Credentials, ProcessError};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::helper::{Donor, Helper};
use super::{Clone, STATUS, about_the_place, completion_mark, data_of, helper_parent, size_of, watch};
use crate::my_family::account::literal;
use crate::my_family::client::{failure, meaning, refusal, user};
use crate::mysql::client::query;
use crate::mysql::facts::ServerFacts;
use crate::mysql::preflight::INSTALL;
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, LogSink};

/// What the other server answered (`ER_CLONE_DONOR`); its own number is in the words.
const FROM_DONOR: u32 = 3862;
/// Another version, operating system or platform (`ER_CLONE_DONOR_VERSION`, `ER_CLONE_OS`, `ER_CLONE_PLATFORM`).
const OTHER_KIND: [u32; 3] = [3864, 3865, 3866];
/// Character sets, settings and plugins that have to be the same (`ER_CLONE_CHARSET`, `ER_CLONE_CONFIG`, `ER_CLONE_SYS_CONFIG`,
/// `ER_CLONE_PLUGIN_MATCH`, `ER_CLONE_ENCRYPTION`).
const OTHER_SETTINGS: [u32; 5] = [3867, 3868, 3869, 3870, 3872];
/// `ER_CLONE_NETWORK_PACKET`
const SMALL_PACKET: u32 = 3957;
/// `ER_PLUGIN_IS_NOT_LOADED`
const NO_PLUGIN: u32 = 1524;
/// `ER_CLONE_TOO_MANY_CONCURRENT_CLONES`, `ER_CLONE_IN_PROGRESS`
const BUSY: [u32; 2] = [3634, 3874];

/// Fetches a clone of the datastore's server, which told `facts`.
///
/// # Errors
/// What either server refuses; `engine_stalled` when nothing comes any more; `backup_incomplete` unless the fetching server says
/// that the clone is complete. // F-02
pub(in crate::mysql) async fn make(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    owner: Credentials,
    log: &LogSink,
    cancel: &CancellationToken,
) -> Result<Clone, EngineError> {
    let directory = PrivateDirectory::create_in(&helper_parent(), owner)?;
    let target = data_of(&directory);
    let host = datastore.host.trim_matches(['[', ']']);
    let donor =
        Donor { facts, address: format!("{host}:{}", datastore.port), plugins: plugins(datastore, cancel).await? };
    let helper = Helper::start(directory.path(), owner, &donor, cancel).await?;
    let statement = |password: &str| {
        format!(
            "CLONE INSTANCE FROM {}@{}:{} IDENTIFIED BY {password} DATA DIRECTORY = {}{}",
            literal(user(datastore)),
            literal(host),
            datastore.port,
            literal(&target.to_string_lossy()),
            // Never less than the connection that was looked at.
            if facts.is_encrypted { " REQUIRE SSL" } else { "" }
        )
    };
    let password = datastore.password.as_ref().map_or("", |password| password.expose());
    // The mode says how a backslash in a text is read.
    let sql = format!("SET SESSION sql_mode = '';\n{};\n", statement(&literal(password)));
    let hidden = [password.to_owned(), literal(password)].map(SecretString::from).to_vec();
    watch(helper.tell(SecretString::from(sql), hidden, cancel), &target, log)
        .await?
        .map_err(|error| refused(error, datastore, &target))?;
    let rows = helper.ask(STATUS, cancel).await.map_err(|error| failure(error, datastore))?;
    let mark = completion_mark(&rows, &target)?;
    helper.end().await;
    let bytes = size_of(&target).await;
    Ok(Clone { directory, bytes, mark, statement: statement("'…'") })
}

/// The libraries of plugins that the server has loaded.
async fn plugins(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Vec<String>, EngineError> {
    let sql = "SELECT DISTINCT PLUGIN_LIBRARY FROM information_schema.PLUGINS \
               WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_LIBRARY IS NOT NULL AND PLUGIN_NAME <> 'clone'";
    let rows = query(datastore, sql, cancel).await?;
    let is_plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    Ok(rows.into_iter().flatten().filter(is_plain).collect())
}

/// What the fetching server's refusal means.
fn refused(error: ProcessError, datastore: &DatastoreAccess, target: &std::path::Path) -> EngineError {
    let Some((number, text)) = refusal(&error) else { return failure(error, datastore) };
    let told = match number {
        FROM_DONOR => of_donor(&text),
        _ => None,
    };
    let (number, words) = told.unwrap_or((number, &text));
    let known = |code, detail: String| Some(EngineError::known(code, detail));
    let meant = match number {
        NO_PLUGIN if words.contains("'clone'") => known(
            ErrorCode::ServerSettingMissing,
            format!("The server's clone plugin is not loaded: {words}\n{INSTALL}"),
        ),
        SMALL_PACKET => known(
            ErrorCode::ServerSettingMissing,
            format!(
                "The server's max_allowed_packet is too small for a clone: {words}\nSET PERSIST max_allowed_packet = 67108864;"
            ),
        ),
        number if OTHER_KIND.contains(&number) => known(
            ErrorCode::IncompatibleEngineVersion,
            format!("The worker's own MySQL can't fetch a clone of this server: {words}"),
        ),
        number if OTHER_SETTINGS.contains(&number) => known(
            ErrorCode::ServerSettingMissing,
            format!("The worker's own MySQL can't fetch a clone of this server: {words}"),
        ),
        number if BUSY.contains(&number) => {
            known(ErrorCode::HostUnreachable, format!("The server is making another clone: {words}"))
        }
        number => about_the_place(number, words, target).or_else(|| meaning(number, words, datastore)),
    };
    meant.unwrap_or_else(|| failure(error, datastore))
}

/// The number and the words in `Clone Donor Error: Connect failed: 1045 : Access denied …`.
fn of_donor(text: &str) -> Option<(u32, &str)> {
    let (_, rest) = text.split_once("Clone Donor Error: ")?;
    let (number, words) = rest.strip_prefix("Connect failed: ").unwrap_or(rest).split_once(" : ")?;
    Some((number.trim().parse().ok()?, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_servers_own_error_is_read() {
        let refused =
            "Clone Donor Error: Connect failed: 1045 : Access denied for user 'bk'@'h' (using password: YES).";
        assert_eq!(of_donor(refused).map(|told| told.0), Some(1045));
        let packet = "Clone Donor Error: 3957 : Clone needs max_allowed_packet value to be 2097152 or more.";
        assert_eq!(of_donor(packet), Some((3957, "Clone needs max_allowed_packet value to be 2097152 or more.")));
        assert_eq!(of_donor("something else"), None);
    }
}
