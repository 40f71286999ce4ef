//! TDS on the wire: packets, the login and the tokens of answers, as [MS-TDS] describes them.

use std::io::{Read, Write};

use chrono::{Datelike, NaiveDate, Timelike};

use super::error::ServerError;
use super::value::{Kind, Table, Value};

pub(super) const BATCH: u8 = 0x01;
pub(super) const ATTENTION: u8 = 0x06;
pub(super) const LOGIN: u8 = 0x10;
pub(super) const PRELOGIN: u8 = 0x12;
const RESPONSE: u8 = 0x04;
const ENCRYPT_ON: u8 = 1;
const ENCRYPT_NOT_SUPPORTED: u8 = 2;
const PACKET_BYTES: usize = 4096;
const HEADER_BYTES: usize = 8;

/// One message of a client: its type and the content of its packets. None when it hung up.
pub(super) fn read_message(stream: &mut (impl Read + ?Sized)) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut content = Vec::new();
    loop {
        let mut header = [0; HEADER_BYTES];
        match stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut part = vec![0; length.saturating_sub(HEADER_BYTES)];
        stream.read_exact(&mut part)?;
        content.extend(part);
        if header[1] & 1 == 1 {
            return Ok(Some((header[0], content)));
        }
    }
}

/// Sends an answer in packets.
pub(super) fn write_response(stream: &mut (impl Write + ?Sized), content: &[u8]) -> std::io::Result<()> {
    write_packets(stream, RESPONSE, content)
}

/// Sends a message in packets of a type.
pub(super) fn write_packets(stream: &mut (impl Write + ?Sized), kind: u8, content: &[u8]) -> std::io::Result<()> {
    let parts: Vec<&[u8]> = content.chunks(PACKET_BYTES - HEADER_BYTES).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = u8::from(index + 1 == parts.len());
        let length = u16::try_from(part.len() + HEADER_BYTES).expect("a packet's length").to_be_bytes();
        // At once: two small writes would wait for each other.
        let header = [kind, last, length[0], length[1], 0, 51, (index % 255) as u8 + 1, 0];
        stream.write_all(&[&header, *part].concat())?;
    }
    stream.flush()
}

/// The answer to the first message: a version, and whether everything is encrypted.
pub(super) fn prelogin_response(version: [u8; 4], encrypts: bool) -> Vec<u8> {
    let encryption = [if encrypts { ENCRYPT_ON } else { ENCRYPT_NOT_SUPPORTED }];
    let options: [(u8, &[u8]); 4] =
        [(0, &[version[0], version[1], version[2], version[3], 0, 0]), (1, &encryption), (2, &[0]), (4, &[0])];
    let mut offset = u16::try_from(options.len() * 5 + 1).expect("small");
    let mut head = Vec::new();
    let mut data = Vec::new();
    for (option, content) in options {
        let length = u16::try_from(content.len()).expect("small");
        head.push(option);
        head.extend(offset.to_be_bytes());
        head.extend(length.to_be_bytes());
        data.extend(content);
        offset += length;
    }
    head.push(0xff);
    [head, data].concat()
}

/// Who wants in.
#[derive(Debug)]
pub(super) struct Login {
    pub user: String,
    pub password: String,
    pub database: String,
}

impl Login {
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let field = |at: usize| {
            let number = |at: usize| Some(usize::from(u16::from_le_bytes([*content.get(at)?, *content.get(at + 1)?])));
            let (offset, characters) = (number(at)?, number(at + 2)?);
            content.get(offset..offset + characters * 2)
        };
        let clear: Vec<u8> = field(44)?.iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        Some(Self { user: utf16(field(40)?), password: utf16(&clear), database: utf16(field(68)?) })
    }
}

/// A batch's text, after the headers that come before it.
pub(super) fn batch_text(content: &[u8]) -> String {
    let headers = content.get(..4).map_or(0, |length| u32::from_le_bytes(length.try_into().expect("four bytes")));
    utf16(content.get(headers as usize..).unwrap_or_default())
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn put_units(out: &mut Vec<u8>, units: &[u16]) {
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
}

/// A text after its length in one byte.
fn put_short(out: &mut Vec<u8>, text: &str) {
    let units = units(text);
    out.push(u8::try_from(units.len()).expect("a short text"));
    put_units(out, &units);
}

pub(super) fn login_ack(out: &mut Vec<u8>, version: [u8; 4]) {
    let mut body = vec![1, 0x74, 0, 0, 4];
    put_short(&mut body, "Microsoft SQL Server");
    body.extend(version);
    out.push(0xad);
    out.extend(u16::try_from(body.len()).expect("short").to_le_bytes());
    out.extend(body);
}

/// The end of a statement; `more` when another one's answer follows.
pub(super) fn done(out: &mut Vec<u8>, more: bool, failed: bool, rows: Option<u64>) {
    let status = u16::from(more) | u16::from(failed) << 1 | u16::from(rows.is_some()) << 4;
    put_done(out, status, rows.unwrap_or(0));
}

/// The answer to a request to stop.
pub(super) fn done_attention(out: &mut Vec<u8>) {
    put_done(out, 0x20, 0);
}

fn put_done(out: &mut Vec<u8>, status: u16, rows: u64) {
    out.push(0xfd);
    out.extend(status.to_le_bytes());
    out.extend([0, 0]);
    out.extend(rows.to_le_bytes());
}

/// An error, or a message where its class is small, and those that follow it.
pub(super) fn message(out: &mut Vec<u8>, error: &ServerError) {
    let mut body = Vec::new();
    body.extend(error.number.to_le_bytes());
    body.extend([1, error.class]);
    let text = units(&error.message);
    body.extend(u16::try_from(text.len()).expect("a message's length").to_le_bytes());
    put_units(&mut body, &text);
    put_short(&mut body, "DOUBLE");
    put_short(&mut body, "");
    body.extend(1_u32.to_le_bytes());
    out.push(if error.class > 10 { 0xaa } else { 0xab });
    out.extend(u16::try_from(body.len()).expect("a message's length").to_le_bytes());
    out.extend(body);
    if let Some(then) = &error.then {
        message(out, then);
    }
}

/// A result set, without its end.
pub(super) fn result_set(out: &mut Vec<u8>, table: &Table) {
    out.push(0x81);
    out.extend(u16::try_from(table.columns.len()).expect("few columns").to_le_bytes());
    for (name, kind) in &table.columns {
        out.extend([0, 0, 0, 0, 1, 0]);
        put_type(out, *kind);
        put_short(out, name);
    }
    for row in &table.rows {
        out.push(0xd1);
        row.iter().for_each(|value| put_value(out, value));
    }
}

fn put_type(out: &mut Vec<u8>, kind: Kind) {
    match kind {
        // 8000 bytes, with the collation of English, without regard to case.
        Kind::Text => out.extend([0xe7, 0x40, 0x1f, 0x09, 0x04, 0xd0, 0x00, 0x34]),
        Kind::Int(width) => out.extend([0x26, width]),
        Kind::Bit => out.extend([0x68, 1]),
        Kind::Numeric(digits) => out.extend([0x6c, 17, digits, 0]),
        Kind::Guid => out.extend([0x24, 16]),
        Kind::DateTime => out.extend([0x6f, 8]),
        Kind::DateTimeOffset => out.extend([0x2b, 7]),
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null(Kind::Text) => out.extend([0xff, 0xff]),
        Value::Null(_) => out.push(0),
        Value::Text(text) => {
            let units = units(text);
            out.extend(u16::try_from(units.len() * 2).expect("at most 4000 characters").to_le_bytes());
            put_units(out, &units);
        }
        Value::Int(number, width) => {
            out.push(*width);
            out.extend(&number.to_le_bytes()[..usize::from(*width)]);
        }
        Value::Bit(bit) => out.extend([1, u8::from(*bit)]),
        Value::Numeric(number, _) => {
            out.extend([17, 1]);
            out.extend(number.to_le_bytes());
        }
        Value::Guid(guid) => {
            out.push(16);
            out.extend(guid.to_bytes_le());
        }
        Value::DateTime(time) => {
            let days = time.date().signed_duration_since(date(1900)).num_days();
            let milliseconds =
                u64::from(time.num_seconds_from_midnight()) * 1000 + u64::from(time.nanosecond() / 1_000_000);
            out.push(8);
            out.extend(i32::try_from(days).expect("a date").to_le_bytes());
            // Ticks of a 300th of a second.
            out.extend(u32::try_from((milliseconds * 3 + 5) / 10).expect("a time of day").to_le_bytes());
        }
        Value::DateTimeOffset(time) => {
            let utc = time.naive_utc();
            let ticks = u64::from(utc.num_seconds_from_midnight()) * 10_000_000 + u64::from(utc.nanosecond() / 100);
            out.push(10);
            out.extend(&ticks.to_le_bytes()[..5]);
            out.extend(&(utc.date().num_days_from_ce() - 1).to_le_bytes()[..3]);
            let minutes = time.offset().local_minus_utc() / 60;
            out.extend(i16::try_from(minutes).expect("an offset").to_le_bytes());
        }
    }
}

fn date(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).expect("a first of January")
}
