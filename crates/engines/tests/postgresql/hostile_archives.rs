//! Archives that want out of the staging directory. // F-83

use std::fs;
use std::path::Path;

use testkit::{Postgres, scratch_directory};

use crate::setup::*;

/// One entry of a tar archive (POSIX, "ustar Interchange Format"), with no content.
fn entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    put(329, b"0000001\0");
    put(337, b"0000003\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = header.to_vec();
    entry.extend(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

const FILE: u8 = b'0';
const HARD_LINK: u8 = b'1';
const SYMBOLIC_LINK: u8 = b'2';
const CHARACTER_DEVICE: u8 = b'3';
const FIFO: u8 = b'6';

#[tokio::test]
async fn f83_nothing_leaves_the_staging_directory_and_nothing_odd_stays_in_it() {
    let server = Postgres::start().unwrap();
    let facts = back_up(&server).await.facts;
    let outside = scratch_directory("outside").unwrap();
    fs::set_permissions(&outside, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let out = outside.display().to_string();

    let corpus: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("a parent's name", vec![entry("../escaped", FILE, "", b"x")]),
        ("a parent's name in the middle", vec![entry("base/../../escaped", FILE, "", b"x")]),
        ("a link out", vec![entry("base", SYMBOLIC_LINK, &out, b"")]),
        ("a file through a link", vec![entry("base", SYMBOLIC_LINK, &out, b""), entry("base/escaped", FILE, "", b"x")]),
        ("a link up", vec![entry("up", SYMBOLIC_LINK, "..", b""), entry("up/escaped", FILE, "", b"x")]),
        ("a link inside", vec![entry("a", FILE, "", b"x"), entry("b", SYMBOLIC_LINK, "a", b"")]),
        ("a hard link out", vec![entry("stolen", HARD_LINK, &format!("{out}/secret"), b"")]),
        ("a hard link inside", vec![entry("a", FILE, "", b"x"), entry("b", HARD_LINK, "a", b"")]),
        ("a device", vec![entry("null", CHARACTER_DEVICE, "", b"")]),
        ("a fifo", vec![entry("pipe", FIFO, "", b"")]),
        ("a name twice", vec![entry("a", FILE, "", b"x"), entry("a", FILE, "", b"y")]),
        ("no archive", vec![b"#!/bin/sh\nrm -rf /\n".repeat(600)]),
    ];
    for (what, entries) in corpus {
        let staging = staging(&server, &facts, &Log::default());
        let mut tar = entries.concat();
        tar.resize(tar.len() + 1024, 0);
        assert!(unpack(&staging, &tar).await.is_err(), "{what} was taken");
        assert!(!outside.join("escaped").exists(), "{what}");
        assert!(!staging.directory.with_file_name("escaped").exists(), "{what}");
        fs::remove_dir_all(&staging.directory).unwrap();
    }
    // GNU tar takes the slash away: the file comes out inside.
    let staging = staging(&server, &facts, &Log::default());
    let mut tar = entry(&format!("{out}/escaped"), FILE, "", b"x");
    tar.resize(tar.len() + 1024, 0);
    unpack(&staging, &tar).await.unwrap();
    assert!(!outside.join("escaped").exists());
    assert!(staging.directory.join(out.trim_start_matches('/')).join("escaped").exists());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{}", Path::new(&out).display());
    fs::remove_dir_all(outside).unwrap();
}
