//! A full disk, for real.

use testkit::{Postgres, Tmpfs, processes_below};

#[test]
fn a_small_file_system_fills_up_and_goes_away() {
    let tmpfs = Tmpfs::mount(1024 * 1024).expect("mount");
    let path = tmpfs.path().to_owned();
    std::fs::write(path.join("fits"), vec![1; 512 * 1024]).expect("half of it");
    let error = std::fs::write(path.join("does not"), vec![1; 1024 * 1024]).expect_err("full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(tmpfs);
    assert!(!path.exists());
}

#[test]
fn a_server_runs_on_a_small_file_system() {
    let tmpfs = Tmpfs::mount(200 * 1024 * 1024).expect("mount");
    let server = Postgres::builder().within(tmpfs.path()).start().expect("start");
    assert!(server.data_directory.starts_with(tmpfs.path()));
    assert_eq!(server.sql("select 1").expect("sql"), "1");
    drop(server);
    assert_eq!(processes_below(tmpfs.path()), Vec::<u32>::new());
}
