//! What stands in the way of a backup or a restore, and what mends it.

use domain::assignment::DatastoreAccess;
use domain::{
    BackupType, Capabilities, DatastoreStatus, ErrorCode, Finding, FindingSeverity, Inspection, JobError, Method,
    MethodCapability, Obstacle, UnavailableMethod,
};

use crate::EngineError;
use crate::error::{debian_package, missing_tool};

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub code: ErrorCode,
    pub detail: String,
    /// The statement or command that mends it, ready to copy.
    pub remedy: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), remedy: None }
    }

    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    pub(crate) fn of_error(error: &EngineError) -> Self {
        let error = error.to_job_error();
        Self::new(error.code, error.detail)
    }

    /// A program that is not on the worker's machine.
    pub(crate) fn missing_tool(program: &str) -> Self {
        let problem = Self::new(ErrorCode::MissingTool, missing_tool(program));
        match debian_package(program) {
            Some(package) => problem.remedy(format!("apt-get install {package}")),
            None => problem,
        }
    }

    /// Nobody told how to stop and start the server.
    pub(crate) fn no_service() -> Self {
        Self::new(
            ErrorCode::ServiceControlMissing,
            "Nobody told how to stop and start the server, which a restore in place needs. Set the datastore's service.",
        )
    }

    /// As a sentence, or two.
    fn reason(&self) -> String {
        match &self.remedy {
            Some(remedy) if !remedy.contains('\n') => format!("{} ({remedy})", self.detail),
            _ => self.detail.clone(),
        }
    }

    /// As a finding of an inspection.
    pub(crate) fn into_finding(self, severity: FindingSeverity) -> Finding {
        Finding { severity, code: self.code.as_str().to_owned(), detail: self.detail, remedy: self.remedy }
    }

    /// As the error of a job.
    pub(crate) fn into_error(self) -> EngineError {
        match self.remedy {
            Some(remedy) => EngineError::known(self.code, format!("{}\n{remedy}", self.detail)),
            None => EngineError::known(self.code, self.detail),
        }
    }

    /// As something that makes a restore impossible.
    pub(crate) fn into_obstacle(self) -> Obstacle {
        self.into_error().to_obstacle()
    }
}

/// What an inspection says of a server that did not let it look. `set_password` is the statement by which an administrator
/// gives the user another password.
pub(crate) fn offline(problem: Problem, datastore: &DatastoreAccess, set_password: &str) -> Inspection {
    let refusal =
        (problem.code == ErrorCode::EngineMismatch).then(|| JobError::new(problem.code, problem.detail.clone()));
    // A server that says what is not allowed is there.
    let answered = problem.code == ErrorCode::MissingPrivilege;
    let status = if answered { DatastoreStatus::Online } else { DatastoreStatus::Offline };
    let remedy = problem.remedy.or_else(|| match problem.code {
        ErrorCode::AuthenticationFailed => Some(set_password.to_owned()),
        // Whether anything listens there, asked on the server's machine.
        ErrorCode::HostUnreachable => Some(format!("ss -ltnp 'sport = :{}'", datastore.port)),
        _ => None,
    });
    Inspection { refusal, status, ..Inspection::failed(problem.code, problem.detail, remedy) }
}

/// Something that is as it should be.
pub(crate) fn fine(code: &str, detail: impl Into<String>) -> Finding {
    Finding { severity: FindingSeverity::Ok, code: code.to_owned(), detail: detail.into(), remedy: None }
}

/// Whether a server's backups can be incremental.
pub(crate) enum Increments {
    /// Where the method makes such.
    AsOffered,
    /// The method makes them, this server not: why, and what to do about it where something can be done.
    Refused(Problem),
}

/// What an inspection says after it looked at a server that let it in: what works, with the first problem as the reason of
/// what does not.
pub(crate) fn judge(
    method: Method,
    title: &str,
    against_backups: Vec<Problem>,
    against_restores: Vec<Problem>,
    increments: Increments,
    findings: &mut Vec<Finding>,
) -> Capabilities {
    let mut types = method.types().to_vec();
    let mut incremental_reason = None;
    match increments {
        Increments::AsOffered => {}
        Increments::Refused(problem) => {
            types.retain(|one| *one != BackupType::Incremental);
            incremental_reason = Some(problem.detail.clone());
            // A drawback is what somebody could do something about.
            let severity = if problem.remedy.is_some() { FindingSeverity::Warning } else { FindingSeverity::Ok };
            findings.push(problem.into_finding(severity));
        }
    }
    let capability = MethodCapability { method, types, kind: method.kind(), incremental_reason };
    let unavailable_methods =
        against_backups.first().map(|problem| UnavailableMethod { method, reason: problem.reason() });
    let methods = if against_backups.is_empty() { vec![capability] } else { Vec::new() };
    if against_backups.is_empty() {
        findings.push(fine("backup_possible", format!("Everything that a backup by {method} needs is there.")));
    }
    let restore_in_place_reason = against_restores.first().map(|problem| problem.detail.clone());
    findings.extend(against_backups.into_iter().map(|problem| problem.into_finding(FindingSeverity::Error)));
    if restore_in_place_reason.is_none() {
        let detail = "The worker can replace the data directory and start the server on it.";
        findings.push(fine("restore_possible", detail));
    }
    findings.extend(against_restores.into_iter().map(|problem| problem.into_finding(FindingSeverity::Warning)));
    Capabilities {
        methods,
        unavailable_methods: Vec::from_iter(unavailable_methods),
        point_in_time_recovery: false,
        point_in_time_recovery_reason: Some(format!(
            "{title} keeps no log that could be replayed; a backup is restored exactly as it was at its end."
        )),
        restore_in_place: restore_in_place_reason.is_none(),
        restore_in_place_reason,
    }
}

/// Adds what an inspection says of a further method that copies files, with the first problem as the reason when it does not
/// work: nobody needs it.
pub(crate) fn judge_copies(
    capabilities: &mut Capabilities,
    method: Method,
    against: Vec<Problem>,
    findings: &mut Vec<Finding>,
) {
    if let Some(first) = against.first() {
        capabilities.unavailable_methods.push(UnavailableMethod { method, reason: first.reason() });
        return;
    }
    findings.push(fine("copy_possible", format!("Everything that a backup by {method} needs is there.")));
    capabilities.methods.push(MethodCapability {
        method,
        types: method.types().to_vec(),
        kind: method.kind(),
        incremental_reason: None,
    });
}

/// Adds what an inspection says of dumps, with the first problem as the reason when they don't work. Where they do, a backup is
/// possible, and what keeps the other methods from it is a drawback.
pub(crate) fn judge_dumps(
    capabilities: &mut Capabilities,
    method: Method,
    against_dumps: Vec<Problem>,
    findings: &mut Vec<Finding>,
) {
    let Some(first) = against_dumps.first() else {
        for finding in findings.iter_mut().filter(|finding| finding.severity == FindingSeverity::Error) {
            finding.severity = FindingSeverity::Warning;
        }
        findings.push(fine("dump_possible", format!("Everything that a dump by {method} needs is there.")));
        capabilities.methods.push(MethodCapability {
            method,
            types: method.types().to_vec(),
            kind: method.kind(),
            incremental_reason: None,
        });
        return;
    };
    capabilities.unavailable_methods.push(UnavailableMethod { method, reason: first.reason() });
    // Who is backed up by another method need not hear what dumps would take.
    if !capabilities.methods.is_empty() {
        return;
    }
    findings.extend(against_dumps.into_iter().map(|problem| problem.into_finding(FindingSeverity::Warning)));
}

/// Adds what an inspection says of a server that keeps a log: whether it can be archived and replayed, with the first problem
/// as the reason when not.
pub(crate) fn judge_logs(capabilities: &mut Capabilities, against_logs: Vec<Problem>, findings: &mut Vec<Finding>) {
    capabilities.point_in_time_recovery = against_logs.is_empty();
    capabilities.point_in_time_recovery_reason = against_logs.first().map(|problem| problem.detail.clone());
    if against_logs.is_empty() {
        findings.push(fine("log_archiving_possible", "The server's log can be archived for point-in-time recovery."));
    }
    findings.extend(against_logs.into_iter().map(|problem| problem.into_finding(FindingSeverity::Warning)));
}
