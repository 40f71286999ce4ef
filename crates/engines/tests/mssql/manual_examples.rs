//! The double against what the T-SQL reference shows and says: statements as its examples write them (names and paths are ours), and
//! the refusals that it documents. What the double takes, the real server is documented to take.

use testkit::{BUCKET_KEY_ID, BUCKET_SECRET, Mssql};

use super::harness::full;
use super::server::Server;

/// The full recovery example's steps: a full backup, a log backup, and both restored ("BACKUP", examples A, C; "RESTORE", C, D, G).
#[tokio::test]
async fn a_full_backup_and_a_log_are_restored_to_a_point_in_time() {
    let server = Server::double();
    server.create("AdventureWorks2022").await;
    let at = |text: &str| Some(text.parse().expect("a time"));
    server.fake().insert("AdventureWorks2022", "kept", at("2020-04-14T12:00:00Z"));
    let (data, log) = (server.shared_path("data.bak"), server.shared_path("log.bak"));
    let (data, log) = (data.display(), log.display());
    server.sql(&format!("BACKUP DATABASE AdventureWorks2022 TO DISK = '{data}' WITH FORMAT;")).await;
    server.fake().insert("AdventureWorks2022", "later", at("2020-04-15T12:00:00Z"));
    server.sql(&format!("BACKUP LOG AdventureWorks2022\n   TO DISK = '{log}';\n-- the end")).await;
    server
        .sql(&format!(
            "RESTORE DATABASE AdventureWorks2022\n  FROM DISK = '{data}'\n  WITH FILE = 1, NORECOVERY, REPLACE, STATS = 5;\n\
             RESTORE LOG AdventureWorks2022\n   FROM DISK = '{log}'\n   WITH RECOVERY, STOPAT = 'Apr 15, 2020 12:00 AM';"
        ))
        .await;
    assert_eq!(server.entries("AdventureWorks2022").await, ["kept"]);

    let again = format!("RESTORE DATABASE AdventureWorks2022 FROM DISK = '{data}' WITH NORECOVERY, REPLACE");
    let until =
        |stop: &str| format!("RESTORE LOG AdventureWorks2022 FROM DISK = '{log}' WITH RECOVERY, STOPAT = '{stop}'");
    server.sql(&again).await;
    let refused = server.try_sql(&until("Apr 13, 2020 12:00 AM")).await;
    assert_eq!(refused.expect_err("before the full backup's end").0, 4338);
    // Later than the log's end: more of it could come.
    server.sql(&until("2999-01-01T00:00:00")).await;
    assert_eq!(server.databases().await[0].1, "RESTORING");
}

/// "RESTORE", example E: a copy of a database under another name, with its files moved.
#[tokio::test]
async fn a_copy_is_restored_with_its_files_moved() {
    let server = Server::double();
    server.create("Original").await;
    server.insert("Original", "row").await;
    let (backup, directory) = (server.shared_path("copy.bak"), server.fake().directory.clone());
    let (backup, directory) = (backup.display(), directory.display());
    server.sql(&format!("BACKUP DATABASE Original TO DISK = '{backup}'")).await;
    let list = server.sql(&format!("RESTORE FILELISTONLY FROM DISK = '{backup}'")).await;
    let names: Vec<&str> = list.iter().filter_map(|row| row.get("LogicalName")).collect();
    assert_eq!(names, ["Original", "Original_log"]);
    let refused = server.try_sql(&format!("RESTORE DATABASE TestDB FROM DISK = '{backup}'")).await;
    assert_eq!(refused.expect_err("its files are in use").0, 1834);
    server
        .sql(&format!(
            "RESTORE DATABASE TestDB FROM DISK = '{backup}' WITH MOVE 'Original' TO '{directory}/testdb.mdf', \
             MOVE 'Original_log' TO '{directory}/testdb.ldf';"
        ))
        .await;
    assert_eq!(server.entries("TestDB").await, ["row"]);
    assert_eq!(server.entries("Original").await, ["row"]);
}

/// "Differential backups": restored on their base; "RESTORE", "Recover a database from a backup without restoring data".
#[tokio::test]
async fn a_differential_backup_is_restored_on_its_base_alone() {
    let server = Server::double();
    server.create("db").await;
    let path = |name: &str| server.shared_path(name).display().to_string();
    server.sql(&format!("BACKUP DATABASE db TO DISK = '{}'", path("1"))).await;
    server.sql(&format!("BACKUP DATABASE db TO DISK = '{}'", path("2"))).await;
    server.insert("db", "row").await;
    server.sql(&format!("BACKUP DATABASE db TO DISK = '{}' WITH DIFFERENTIAL", path("d"))).await;
    let restore = |name: &str| format!("RESTORE DATABASE db FROM DISK = '{}' WITH NORECOVERY, REPLACE", path(name));
    server.sql(&restore("1")).await;
    assert_eq!(server.try_sql(&restore("d")).await.expect_err("another base").0, 3136);
    server.sql(&restore("2")).await;
    server.sql(&restore("d")).await;
    assert_eq!(server.try_sql("SELECT note FROM db.dbo.entries").await.expect_err("restoring").0, 927);
    server.sql("RESTORE DATABASE db WITH RECOVERY").await;
    assert_eq!(server.entries("db").await, ["row"]);
}

/// What the manual says is refused, with the number of the message.
#[tokio::test]
async fn refusals_have_the_numbers_of_the_real_ones() {
    let server = Server::double();
    server.create("db").await;
    server.create("other").await;
    server.create("simple").await;
    server.fake().set_recovery("simple", "SIMPLE");
    let path = |name: &str| server.shared_path(name).display().to_string();
    let refused = async |sql: String| server.try_sql(&sql).await.expect_err(&sql).0;

    assert_eq!(refused("BACKUP DATABASE nowhere TO DISK = '/x'".to_owned()).await, 911);
    assert_eq!(refused(format!("BACKUP DATABASE db TO DISK = '{}'", path("no/such/x"))).await, 3201);
    assert_eq!(refused(format!("BACKUP LOG simple TO DISK = '{}'", path("x"))).await, 4208);
    assert_eq!(refused(format!("BACKUP LOG db TO DISK = '{}'", path("x"))).await, 4214);
    assert_eq!(refused(format!("BACKUP DATABASE db TO DISK = '{}' WITH DIFFERENTIAL", path("x"))).await, 3035);
    assert_eq!(refused("CREATE DATABASE DB".to_owned()).await, 1801);
    assert_eq!(refused("DROP DATABASE nowhere".to_owned()).await, 3701);
    assert_eq!(refused("ALTER DATABASE db MODIFY NAME = [other]".to_owned()).await, 1801);
    assert_eq!(refused("BACKUP DATABASE [db TO DISK".to_owned()).await, 105);
    assert_eq!(refused("SELEKT 1".to_owned()).await, 102);

    server.sql(&format!("BACKUP DATABASE db TO DISK = '{}'", path("full"))).await;
    for name in ["log1", "log2"] {
        server.insert("db", name).await;
        server.sql(&format!("BACKUP LOG db TO DISK = '{}'", path(name))).await;
    }
    std::fs::write(path("junk"), "junk").expect("write");
    assert_eq!(refused(format!("RESTORE HEADERONLY FROM DISK = '{}'", path("missing"))).await, 3201);
    assert_eq!(refused(format!("RESTORE HEADERONLY FROM DISK = '{}'", path("junk"))).await, 3241);
    assert_eq!(refused(format!("RESTORE LOG db FROM DISK = '{}'", path("log1"))).await, 3117);
    assert_eq!(refused(format!("RESTORE DATABASE other FROM DISK = '{}'", path("full"))).await, 3154);
    assert_eq!(refused(format!("RESTORE DATABASE db FROM DISK = '{}'", path("full"))).await, 3159);
    let mut user = server.connect().await;
    user.simple_query("USE db").await.expect("use").into_results().await.expect("use");
    let replace = format!("RESTORE DATABASE db FROM DISK = '{}' WITH REPLACE, NORECOVERY", path("full"));
    assert_eq!(refused(replace.clone()).await, 3101);
    assert_eq!(refused("ALTER DATABASE db MODIFY NAME = [new]".to_owned()).await, 5030);
    drop(user);
    tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while server.try_sql(&replace).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the user leaves");
    assert_eq!(refused("ALTER DATABASE db SET OFFLINE".to_owned()).await, 5052);
    assert_eq!(refused(format!("RESTORE LOG db FROM DISK = '{}' WITH NORECOVERY", path("log2"))).await, 4305);
    for name in ["log1", "log2"] {
        server.sql(&format!("RESTORE LOG db FROM DISK = '{}' WITH NORECOVERY", path(name))).await;
    }
    assert_eq!(refused(format!("RESTORE LOG db FROM DISK = '{}' WITH NORECOVERY", path("log1"))).await, 4326);
    server.sql("RESTORE DATABASE db WITH RECOVERY").await;
    assert_eq!(server.entries("db").await, ["log1", "log2"]);
}

/// "Recovery paths": a log of the line that a restore left can't be applied to the line that it began.
#[tokio::test]
async fn a_log_of_another_recovery_path_is_refused() {
    let server = Server::double();
    server.create("db").await;
    let path = |name: &str| server.shared_path(name).display().to_string();
    let replace = |end: &str| format!("RESTORE DATABASE db FROM DISK = '{}' WITH REPLACE, {end}", path("full"));
    server.sql(&format!("BACKUP DATABASE db TO DISK = '{}'", path("full"))).await;
    server.insert("db", "left").await;
    server.sql(&format!("BACKUP LOG db TO DISK = '{}'", path("old"))).await;
    server.sql(&replace("RECOVERY")).await;
    server.insert("db", "begun").await;
    server.sql(&format!("BACKUP DATABASE db TO DISK = '{}'", path("new"))).await;
    server.sql(&format!("RESTORE DATABASE db FROM DISK = '{}' WITH REPLACE, NORECOVERY", path("new"))).await;
    let refused = server.try_sql(&format!("RESTORE LOG db FROM DISK = '{}' WITH NORECOVERY", path("old"))).await;
    assert!([4330, 4326].contains(&refused.expect_err("another path").0));
}

/// The password is asked for, and a login that may not see the server's state is told so.
#[tokio::test]
async fn logins_see_what_they_may() {
    let server = Server::double();
    server.create("db").await;
    full(&server.access).await;
    server.fake().deny(None, "VIEW SERVER STATE");
    let refused = server.try_sql("SELECT command FROM sys.dm_exec_requests").await;
    assert_eq!(refused.expect_err("denied").0, 300);
    server.fake().deny(Some("db"), "BACKUP DATABASE");
    let refused =
        server.try_sql(&format!("BACKUP DATABASE db TO DISK = '{}'", server.shared_path("x").display())).await;
    assert_eq!(refused.expect_err("denied").0, 262);
}

/// "SQL Server back up to URL for S3-compatible object storage": the credential, a backup with compression and the largest parts, and its
/// restore; and what the page on troubleshooting shows.
#[tokio::test]
async fn a_backup_goes_to_a_bucket_and_comes_back() {
    let server = Server::without_credential(Mssql::builder());
    server.create("AdventureWorks2022").await;
    server.insert("AdventureWorks2022", "row").await;
    let bucket = server.bucket_url();
    let url = format!("{bucket}/sqlbackups/AdventureWorks2022.bak");
    let backup = format!(
        "BACKUP DATABASE AdventureWorks2022 TO URL = '{url}' WITH FORMAT, MAXTRANSFERSIZE = 20971520, COMPRESSION"
    );
    let refused = |(number, message): (u32, String), part: &str| {
        assert_eq!(number, 3201, "{message}");
        assert!(message.contains(part), "{message}");
    };
    refused(server.try_sql(&backup).await.expect_err("no credential"), "50(The request is not supported.)");
    let secret = format!("{BUCKET_KEY_ID}:{BUCKET_SECRET}");
    server.sql(&format!("CREATE CREDENTIAL [{bucket}] WITH IDENTITY = 'S3 Access Key', SECRET = '{secret}';")).await;
    server.sql(&backup).await;
    server.delete_all("AdventureWorks2022").await;
    let region = r#"RESTORE_OPTIONS = '{"s3": {"region":"us-west-1"}}'"#;
    server.sql(&format!("RESTORE DATABASE AdventureWorks2022 FROM URL = '{url}' WITH REPLACE, {region}")).await;
    assert_eq!(server.entries("AdventureWorks2022").await, ["row"]);

    refused(server.try_sql(&backup.replace("FORMAT, ", "")).await.expect_err("it is there"), "50(");
    refused(server.try_sql(&backup.replace("FORMAT", "INIT")).await.expect_err("no such option"), "50(");
    refused(server.try_sql(&backup.replace(", COMPRESSION", "")).await.expect_err("of the default size"), "50(");
    refused(server.try_sql(&backup.replace("/backups/", "/nonExistingBucket/")).await.expect_err("no bucket"), "50(");
    // The most specific credential is taken.
    server
        .sql(&format!("CREATE CREDENTIAL [{bucket}/sqlbackups] WITH IDENTITY = 'S3 Access Key', SECRET = 'a:b';"))
        .await;
    refused(server.try_sql(&backup).await.expect_err("a wrong key"), "5(Access is denied.)");
    let nobody = Server::with_bucket(Mssql::builder().trusting_nobody());
    let sql = format!("BACKUP DATABASE model TO URL = '{}/model.bak' WITH FORMAT", nobody.bucket_url());
    refused(nobody.try_sql(&sql).await.expect_err("a certificate of nobody"), "12175(");
}
