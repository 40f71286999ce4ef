//! Whether a directory of this machine is the one that a server works in: a server elsewhere may name the same path.
//!
//! InnoDB writes the position of its newest checkpoint into the redo log's header, at 4096 and 8192 by turns, and tells it
//! as a status (`storage/innobase/log/log0recv.cc`, format of 10.8 and later). Two servers agree in it by accident only.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `log_t::FORMAT_10_8`, and the same with encryption.
const FORMATS: [u32; 2] = [0x5068_7973, 0xd068_7973];
const CHECKPOINTS: [u64; 2] = [4096, 8192];

/// The newest checkpoint that the redo log in `directory` tells; `None` for logs of older formats and those elsewhere.
pub(super) fn newest_checkpoint(directory: &Path) -> Option<u64> {
    let file = File::open(directory.join("ib_logfile0")).ok()?;
    let mut format = [0; 4];
    file.read_exact_at(&mut format, 0).ok()?;
    if !FORMATS.contains(&u32::from_be_bytes(format)) {
        return None;
    }
    let read = |offset| {
        let mut number = [0; 8];
        file.read_exact_at(&mut number, offset).ok().map(|()| u64::from_be_bytes(number))
    };
    CHECKPOINTS.into_iter().filter_map(read).max()
}

/// Whether a checkpoint that was read between two answers of a server can be that server's.
pub(super) fn can_be(read: u64, before: u64, after: u64) -> bool {
    (before..=after).contains(&read)
}

#[cfg(test)]
mod tests {
    use testkit::MariaDb;

    use super::*;

    #[test]
    fn f63_a_server_agrees_with_its_own_directory_alone() {
        let told = |server: &MariaDb| -> u64 {
            let row = server.sql("show global status like 'Innodb_lsn_last_checkpoint'").expect("ask");
            row.split('\t').nth(1).and_then(|text| text.parse().ok()).expect("a number")
        };
        let first = MariaDb::start().expect("start");
        let second = MariaDb::start().expect("start");
        // Its shutdown writes a checkpoint.
        second.sql("create database shop; create table shop.t (a int); insert into shop.t values (1)").expect("write");
        second.restart().expect("restart");
        let (of_first, of_second) = (told(&first), told(&second));
        assert_eq!(newest_checkpoint(&first.data_directory), Some(of_first));
        assert_eq!(newest_checkpoint(&second.data_directory), Some(of_second));
        assert!(!can_be(of_second, of_first, of_first) && can_be(of_second, of_first, of_second));
        assert_eq!(newest_checkpoint(first.data_directory.parent().expect("a parent")), None);
    }
}
