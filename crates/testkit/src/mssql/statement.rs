//! The statements that the double knows, and how they are read.

use super::device::Device;
use super::error::ServerError;
use super::lexer::Token;
use super::query::Query;
use super::reader::Reader;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Use(String),
    /// Something that changes nothing here.
    Nothing,
    Backup {
        log: bool,
        database: String,
        device: Device,
        options: Options,
    },
    Restore {
        kind: RestoreKind,
        database: String,
        device: Option<Device>,
        options: Options,
    },
    Alter {
        database: String,
        change: Alteration,
        rollback: bool,
    },
    Drop {
        database: String,
        if_exists: bool,
    },
    Create {
        database: String,
    },
    CreateCredential {
        name: String,
        identity: String,
        secret: String,
    },
    Insert {
        database: Option<String>,
        notes: Vec<String>,
    },
    DeleteAll {
        database: Option<String>,
    },
    Select(Box<Query>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestoreKind {
    Database,
    Log,
    HeaderOnly,
    FileListOnly,
    VerifyOnly,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alteration {
    Name(String),
    Online(bool),
    SingleUser(bool),
    Recovery(String),
}

/// What stands after `WITH`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options(Vec<(String, Option<String>, Option<String>)>);

impl Options {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(option, ..)| option == name)
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(option, ..)| option == name)?.1.as_deref()
    }

    /// `MOVE 'logical' TO 'physical'`
    pub(super) fn moved(&self, logical: &str) -> Option<&str> {
        let found = self.0.iter().find(|(option, value, _)| option == "MOVE" && value.as_deref() == Some(logical));
        found?.2.as_deref()
    }
}

impl Statement {
    /// Whether it changes something.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Use(_) | Self::Nothing | Self::Select(_) => false,
            Self::Restore { kind, .. } => matches!(kind, RestoreKind::Database | RestoreKind::Log),
            _ => true,
        }
    }
}

/// The statements of a batch.
pub(super) fn statements(tokens: Vec<Token>) -> Result<Vec<Statement>, ServerError> {
    let mut reader = Reader::new(tokens);
    let mut found = Vec::new();
    loop {
        while reader.takes_symbol(";") {}
        if reader.is_at_end() {
            return Ok(found);
        }
        found.push(statement(&mut reader)?);
    }
}

fn statement(reader: &mut Reader) -> Result<Statement, ServerError> {
    let word = reader.word()?;
    match word.as_str() {
        "USE" => Ok(Statement::Use(reader.name()?)),
        "SET" | "PRINT" => {
            reader.skip_statement();
            Ok(Statement::Nothing)
        }
        "BACKUP" => backup(reader),
        "RESTORE" => restore(reader),
        "ALTER" => alter(reader),
        "DROP" => {
            reader.expect_word("DATABASE")?;
            let if_exists = reader.takes_word("IF");
            if if_exists {
                reader.expect_word("EXISTS")?;
            }
            Ok(Statement::Drop { database: reader.name()?, if_exists })
        }
        // Each database has its one table already.
        "CREATE" if reader.is_word("TABLE") => {
            reader.skip_statement();
            Ok(Statement::Nothing)
        }
        "CREATE" if reader.takes_word("CREDENTIAL") => credential(reader),
        "CREATE" => {
            reader.expect_word("DATABASE")?;
            Ok(Statement::Create { database: reader.name()? })
        }
        "INSERT" => insert(reader),
        "DELETE" => {
            reader.takes_word("FROM");
            Ok(Statement::DeleteAll { database: reader.entries_table()? })
        }
        "SELECT" => Ok(Statement::Select(Box::new(Query::read(reader)?))),
        _ => Err(ServerError::syntax(&word)),
    }
}

fn backup(reader: &mut Reader) -> Result<Statement, ServerError> {
    let log = is_log(reader)?;
    let database = reader.name()?;
    reader.expect_word("TO")?;
    let device = device(reader)?;
    Ok(Statement::Backup { log, database, device, options: options(reader)? })
}

fn is_log(reader: &mut Reader) -> Result<bool, ServerError> {
    match reader.word()?.as_str() {
        "DATABASE" => Ok(false),
        "LOG" => Ok(true),
        other => Err(ServerError::syntax(other)),
    }
}

fn device(reader: &mut Reader) -> Result<Device, ServerError> {
    let is_url = reader.takes_word("URL");
    if !is_url && !reader.takes_word("DISK") {
        let name = reader.name()?;
        return Err(ServerError::new(3206, 16, format!("Backup device '{name}' does not exist.")));
    }
    reader.expect_symbol("=")?;
    reader.text().map(if is_url { Device::Url } else { Device::Disk })
}

/// `CREATE CREDENTIAL name WITH IDENTITY = '…', SECRET = '…'`
fn credential(reader: &mut Reader) -> Result<Statement, ServerError> {
    let name = reader.name()?;
    let options = options(reader)?;
    let text = |option: &str| options.value(option).map(str::to_owned);
    let identity = text("IDENTITY").ok_or_else(|| ServerError::syntax("IDENTITY"))?;
    Ok(Statement::CreateCredential { name, identity, secret: text("SECRET").unwrap_or_default() })
}

fn restore(reader: &mut Reader) -> Result<Statement, ServerError> {
    let word = reader.word()?;
    let kind = match word.as_str() {
        "DATABASE" => RestoreKind::Database,
        "LOG" => RestoreKind::Log,
        "HEADERONLY" => RestoreKind::HeaderOnly,
        "FILELISTONLY" => RestoreKind::FileListOnly,
        "VERIFYONLY" => RestoreKind::VerifyOnly,
        _ => return Err(ServerError::syntax(&word)),
    };
    let named = matches!(kind, RestoreKind::Database | RestoreKind::Log);
    let database = if named { reader.name()? } else { String::new() };
    let device = if reader.takes_word("FROM") { Some(device(reader)?) } else { None };
    Ok(Statement::Restore { kind, database, device, options: options(reader)? })
}

fn options(reader: &mut Reader) -> Result<Options, ServerError> {
    let mut options = Options::default();
    if !reader.takes_word("WITH") {
        return Ok(options);
    }
    loop {
        let name = reader.word()?;
        let (mut value, mut target) = (None, None);
        if name == "MOVE" {
            value = Some(reader.text()?);
            reader.expect_word("TO")?;
            target = Some(reader.text()?);
        } else if reader.takes_symbol("=") {
            value = Some(reader.scalar()?);
        }
        options.0.push((name, value, target));
        if !reader.takes_symbol(",") {
            return Ok(options);
        }
    }
}

fn alter(reader: &mut Reader) -> Result<Statement, ServerError> {
    reader.expect_word("DATABASE")?;
    let database = reader.name()?;
    let change = match reader.word()?.as_str() {
        "MODIFY" => {
            reader.expect_word("NAME")?;
            reader.expect_symbol("=")?;
            Alteration::Name(reader.name()?)
        }
        "SET" => match reader.word()?.as_str() {
            "ONLINE" => Alteration::Online(true),
            "OFFLINE" => Alteration::Online(false),
            "SINGLE_USER" => Alteration::SingleUser(true),
            "MULTI_USER" => Alteration::SingleUser(false),
            "RECOVERY" => Alteration::Recovery(reader.word()?),
            other => return Err(ServerError::syntax(other)),
        },
        other => return Err(ServerError::syntax(other)),
    };
    let rollback = reader.takes_word("WITH");
    if rollback {
        reader.expect_word("ROLLBACK")?;
        reader.expect_word("IMMEDIATE")?;
    }
    Ok(Statement::Alter { database, change, rollback })
}

fn insert(reader: &mut Reader) -> Result<Statement, ServerError> {
    reader.expect_word("INTO")?;
    let database = reader.entries_table()?;
    if reader.takes_symbol("(") {
        reader.expect_word("NOTE")?;
        reader.expect_symbol(")")?;
    }
    reader.expect_word("VALUES")?;
    let mut notes = Vec::new();
    loop {
        reader.expect_symbol("(")?;
        notes.push(reader.text()?);
        reader.expect_symbol(")")?;
        if !reader.takes_symbol(",") {
            return Ok(Statement::Insert { database, notes });
        }
    }
}
