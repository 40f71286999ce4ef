//! What `RESTORE HEADERONLY` and `RESTORE FILELISTONLY` answer, with the columns and types that the manual lists.

use super::media::{BackupSet, BackupType};
use super::value::{Kind, Table, Value};

fn lsn(lsn: Option<super::media::Lsn>) -> Value {
    Value::or_null(lsn.map(|lsn| Value::Numeric(u128::from(lsn.0), 25)), Kind::Numeric(25))
}

/// One row per backup set.
pub(super) fn header_only(sets: &[BackupSet], is_whole: bool) -> Table {
    let mut table = Table::default();
    for (index, set) in sets.iter().enumerate() {
        let row = header(set, i64::try_from(index + 1).unwrap_or_default(), is_whole);
        table.columns = row.iter().map(|(name, value)| ((*name).to_owned(), value.kind())).collect();
        table.rows.push(row.into_iter().map(|(_, value)| value).collect());
    }
    table
}

fn header(set: &BackupSet, position: i64, is_whole: bool) -> Vec<(&'static str, Value)> {
    let type_name = match set.backup_type {
        BackupType::Database => "Database",
        BackupType::Log => "Transaction Log",
        BackupType::Differential => "Database Differential",
    };
    let optional = |text: &Option<String>| Value::or_null(text.clone().map(Value::Text), Kind::Text);
    vec![
        ("BackupName", optional(&set.name)),
        ("BackupDescription", Value::Null(Kind::Text)),
        ("BackupType", Value::Int(set.backup_type as i64, 2)),
        ("ExpirationDate", Value::Null(Kind::DateTime)),
        ("Compressed", Value::Int(i64::from(set.compressed), 1)),
        ("Position", Value::Int(position, 2)),
        ("DeviceType", Value::Int(2, 1)),
        ("UserName", Value::text(set.user.clone())),
        ("ServerName", Value::text(set.server.clone())),
        ("DatabaseName", Value::text(set.database.clone())),
        ("DatabaseVersion", Value::Int(904, 4)),
        ("DatabaseCreationDate", Value::DateTime(set.database_created)),
        ("BackupSize", Value::Numeric(u128::from(set.size_bytes()), 20)),
        ("FirstLSN", lsn(Some(set.first_lsn))),
        ("LastLSN", lsn(Some(set.last_lsn))),
        ("CheckpointLSN", lsn(Some(set.checkpoint_lsn))),
        ("DatabaseBackupLSN", lsn(Some(set.database_backup_lsn))),
        ("BackupStartDate", Value::DateTime(set.start)),
        ("BackupFinishDate", Value::DateTime(set.finish)),
        ("SoftwareVersionMajor", Value::Int(i64::from(set.major_version), 4)),
        ("Collation", Value::text("SQL_Latin1_General_CP1_CI_AS")),
        ("FamilyGUID", Value::Guid(set.family)),
        ("HasBulkLoggedData", Value::Bit(false)),
        ("IsSnapshot", Value::Bit(false)),
        ("IsReadOnly", Value::Bit(false)),
        ("IsSingleUser", Value::Bit(false)),
        ("HasBackupChecksums", Value::Bit(set.has_checksums)),
        ("IsDamaged", Value::Bit(!is_whole)),
        ("BeginsLogChain", Value::Bit(false)),
        ("HasIncompleteMetaData", Value::Bit(false)),
        ("IsForceOffline", Value::Bit(false)),
        ("IsCopyOnly", Value::Bit(set.is_copy_only)),
        ("FirstRecoveryForkID", Value::Guid(set.first_fork)),
        ("ForkPointLSN", lsn(set.fork_point)),
        ("RecoveryModel", Value::text(set.recovery_model.clone())),
        ("DifferentialBaseLSN", lsn(set.differential_base_lsn)),
        ("DifferentialBaseGUID", Value::or_null(set.differential_base_guid.map(Value::Guid), Kind::Guid)),
        ("BackupTypeDescription", Value::text(type_name)),
        ("BackupSetGUID", Value::Guid(set.guid)),
        ("CompressedBackupSize", Value::Int(i64::try_from(set.size_bytes()).unwrap_or_default(), 8)),
        ("RecoveryForkID", Value::Guid(set.fork)),
    ]
}

/// One row per file of the database.
pub(super) fn file_list(set: &BackupSet) -> Table {
    let mut table = Table::new(&[
        ("LogicalName", Kind::Text),
        ("PhysicalName", Kind::Text),
        ("Type", Kind::Text),
        ("FileGroupName", Kind::Text),
        ("Size", Kind::Numeric(20)),
        ("MaxSize", Kind::Numeric(20)),
        ("FileId", Kind::Int(8)),
        ("BackupSizeInBytes", Kind::Int(8)),
        ("IsPresent", Kind::Bit),
    ]);
    for file in &set.files {
        table.push(vec![
            Value::text(file.logical.clone()),
            Value::text(file.physical.clone()),
            Value::text(if file.is_log { "L" } else { "D" }),
            if file.is_log { Value::Null(Kind::Text) } else { Value::text("PRIMARY") },
            Value::Numeric(u128::from(file.bytes), 20),
            Value::Numeric(35_184_372_080_640, 20),
            Value::Int(i64::from(file.id), 8),
            Value::Int(i64::try_from(set.size_bytes()).unwrap_or_default(), 8),
            Value::Bit(true),
        ]);
    }
    table
}
