//! Who may do what: every operation of the document, asked by every role, for everything, for the project that the thing is in,
//! and for another one; without credentials; and by workers. The rows are written down here, apart from the service's own
//! table: an operation without a row fails the test. // F-87, F-89

use std::collections::{BTreeMap, BTreeSet};

use api::{EdgeLimits, EdgeSettings};
use chrono::{TimeDelta, Utc};
use domain::access::{Grant, Role};
use domain::assignment::{Outcome, ResultReport, TaskResult};
use domain::{BackupType, Engine, Method, RestoreTarget};
use serde_json::{Value, json};
use store::{RestoreRequest, Store};
use uuid::Uuid;

use crate::people::{with_cookie, with_token};
use crate::support::{TOKEN, TestService, draft, healthy, identity, open_store, success};

/// Where a role has to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// On the thing of the address; to others it does not exist.
    Thing,
    Anywhere,
    Everything,
}

/// A row of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Needs(Role, Where),
    /// Whoever has credentials, about himself.
    SignedIn,
    /// The same, but not a program.
    Person,
    Public,
    Worker,
}

use Role::{Administrator as ADMINISTRATOR, Operator as OPERATOR, Viewer as VIEWER};
use Row::{Needs, Person, Public, SignedIn, Worker};
use Where::{Anywhere, Everything, Thing};

const MATRIX: &[(&str, Row)] = &[
    ("healthz", Public),
    ("readyz", Public),
    ("openapi_json", Public),
    ("auth_options", Public),
    ("auth_login", Public),
    ("auth_setup", Public),
    ("oidc_start", Public),
    ("oidc_callback", Public),
    ("auth_me", SignedIn),
    ("auth_logout", SignedIn),
    ("auth_password", Person),
    ("auth_session_list", Person),
    ("auth_session_delete", Person),
    ("auth_two_factor", Person),
    ("auth_two_factor_confirm", Person),
    ("auth_two_factor_disable", Person),
    ("worker_claim", Worker),
    ("worker_heartbeat", Worker),
    ("worker_result", Worker),
    ("worker_suspend_archiving", Worker),
    ("worker_log_archivers", Worker),
    ("worker_log_segments", Worker),
    ("worker_log_report", Worker),
    ("metrics", Needs(VIEWER, Everything)),
    ("datastore_list", Needs(VIEWER, Anywhere)),
    ("datastore_get", Needs(VIEWER, Thing)),
    ("recovery_window", Needs(VIEWER, Thing)),
    ("backup_list", Needs(VIEWER, Thing)),
    ("backup_get", Needs(VIEWER, Thing)),
    ("backup_log", Needs(VIEWER, Thing)),
    ("backup_settings_get", Needs(VIEWER, Thing)),
    ("retention_plan", Needs(VIEWER, Thing)),
    ("retention_preview", Needs(VIEWER, Thing)),
    ("backup_restore_plan", Needs(VIEWER, Thing)),
    ("restore_list", Needs(VIEWER, Thing)),
    ("restore_get", Needs(VIEWER, Thing)),
    ("restore_log", Needs(VIEWER, Thing)),
    ("schedule_list", Needs(VIEWER, Thing)),
    ("schedule_get", Needs(VIEWER, Thing)),
    ("schedule_run_list", Needs(VIEWER, Thing)),
    ("schedule_preview", Needs(VIEWER, Anywhere)),
    ("schedule_settings", Needs(VIEWER, Anywhere)),
    ("job_list", Needs(VIEWER, Anywhere)),
    ("job_get", Needs(VIEWER, Thing)),
    ("job_log", Needs(VIEWER, Thing)),
    ("event_stream", Needs(VIEWER, Anywhere)),
    ("storage_list", Needs(VIEWER, Anywhere)),
    ("storage_get", Needs(VIEWER, Anywhere)),
    ("worker_list", Needs(VIEWER, Anywhere)),
    ("project_list", Needs(VIEWER, Anywhere)),
    ("project_get", Needs(VIEWER, Thing)),
    ("token_list", Needs(VIEWER, Anywhere)),
    ("token_create", Needs(VIEWER, Anywhere)),
    ("datastore_test", Needs(OPERATOR, Thing)),
    ("log_scan", Needs(OPERATOR, Thing)),
    ("backup_create", Needs(OPERATOR, Thing)),
    ("backup_cancel", Needs(OPERATOR, Thing)),
    ("backup_verify", Needs(OPERATOR, Thing)),
    ("backup_hold", Needs(OPERATOR, Thing)),
    ("backup_release", Needs(OPERATOR, Thing)),
    ("backup_restore", Needs(OPERATOR, Thing)),
    ("restore_cancel", Needs(OPERATOR, Thing)),
    ("schedule_create", Needs(OPERATOR, Thing)),
    ("schedule_patch", Needs(OPERATOR, Thing)),
    ("schedule_pause", Needs(OPERATOR, Thing)),
    ("schedule_resume", Needs(OPERATOR, Thing)),
    ("schedule_run", Needs(OPERATOR, Thing)),
    ("schedule_delete", Needs(OPERATOR, Thing)),
    ("job_cancel", Needs(OPERATOR, Thing)),
    ("datastore_create", Needs(ADMINISTRATOR, Anywhere)),
    ("datastore_test_draft", Needs(ADMINISTRATOR, Anywhere)),
    ("datastore_patch", Needs(ADMINISTRATOR, Thing)),
    ("datastore_delete", Needs(ADMINISTRATOR, Thing)),
    ("datastore_sweep", Needs(ADMINISTRATOR, Thing)),
    ("backup_settings_put", Needs(ADMINISTRATOR, Thing)),
    ("backup_delete", Needs(ADMINISTRATOR, Thing)),
    ("restore_undo", Needs(ADMINISTRATOR, Thing)),
    ("restore_approve", Needs(ADMINISTRATOR, Thing)),
    ("restore_refuse", Needs(ADMINISTRATOR, Thing)),
    ("storage_create", Needs(ADMINISTRATOR, Everything)),
    ("storage_patch", Needs(ADMINISTRATOR, Everything)),
    ("storage_delete", Needs(ADMINISTRATOR, Everything)),
    ("audit_event_list", Needs(ADMINISTRATOR, Everything)),
    ("audit_event_export", Needs(ADMINISTRATOR, Everything)),
    ("user_list", Needs(ADMINISTRATOR, Everything)),
    ("user_create", Needs(ADMINISTRATOR, Everything)),
    ("user_get", Needs(ADMINISTRATOR, Everything)),
    ("user_patch", Needs(ADMINISTRATOR, Everything)),
    ("user_setup_link", Needs(ADMINISTRATOR, Everything)),
    ("user_delete", Needs(ADMINISTRATOR, Everything)),
    ("project_create", Needs(ADMINISTRATOR, Everything)),
    ("project_patch", Needs(ADMINISTRATOR, Everything)),
    ("project_delete", Needs(ADMINISTRATOR, Everything)),
    ("token_delete", Needs(VIEWER, Anywhere)),
];

/// Operations of which each allowed call takes its thing away: it is asked for anew.
const CONSUMING: &[&str] = &["schedule_delete", "token_delete", "user_delete"];

struct Operation {
    id: String,
    method: String,
    path: String,
    has_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(api::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                has_body: operation["requestBody"].is_object(),
            });
        }
    }
    operations
}

fn row(id: &str) -> Option<Row> {
    MATRIX.iter().find(|(name, _)| *name == id).map(|(_, row)| *row)
}

/// The things of one project, made without any worker that is still heard of.
struct Things {
    by_word: BTreeMap<&'static str, String>,
}

impl Things {
    async fn make(service: &TestService, project: &str) -> Self {
        let mut create = draft("shop");
        create.project_id = Some(project.parse().unwrap());
        let datastore = service.client().datastore_create(&create).await.unwrap().id;
        let store = open_store(service.directory.path());
        let long_ago = Utc::now() - TimeDelta::hours(2);
        store.datastore_record_inspection(datastore, &healthy(Engine::Postgresql), long_ago).unwrap();
        let backup = store.backup_create(datastore, Method::PgBasebackup, BackupType::Full, long_ago).unwrap();
        finish(&store, long_ago);
        let request = RestoreRequest { target: RestoreTarget::InPlace, stop: None, restore_configuration: false };
        let restore = store.restore_create(backup.id, &request, long_ago).unwrap();
        finish(&store, long_ago);
        let recurrence = json!({"recurrence": "TZ=UTC 0 4 * * *"});
        let schedule = service.post(&format!("/api/v1/datastores/{datastore}/schedules"), recurrence).await;
        let storage = service.get("/api/v1/storages").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let by_word = BTreeMap::from([
            ("datastores", datastore.to_string()),
            ("backups", backup.id.to_string()),
            ("restores", restore.id.to_string()),
            ("jobs", backup.job_id.to_string()),
            ("schedules", schedule.json()["id"].as_str().unwrap().to_owned()),
            ("storages", storage),
            ("projects", project.to_owned()),
            ("log-archivers", datastore.to_string()),
            ("sessions", Uuid::nil().to_string()),
        ]);
        Self { by_word }
    }

    /// The address with the ids of these things.
    fn address(&self, pattern: &str) -> String {
        let words: Vec<&str> = pattern.split('/').collect();
        let filled: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(index, word)| match word.starts_with('{') {
                true => self.by_word.get(words[index - 1]).unwrap_or_else(|| panic!("{pattern}")).clone(),
                false => (*word).to_owned(),
            })
            .collect();
        filled.join("/")
    }
}

fn finish(store: &Store, at: chrono::DateTime<Utc>) {
    let assignment = store.job_claim(&identity("gone"), 30, at).unwrap().expect("the job waits");
    let outcome = success(&assignment.task);
    let is_restore = matches!(&outcome, Outcome::Completed { result: TaskResult::Restore { .. } });
    let report = ResultReport { attempt: assignment.attempt, outcome, log_lines: Vec::new() };
    store.job_finish(assignment.job_id, &report, at).unwrap();
    assert!(is_restore || assignment.task.kind() == domain::JobKind::Backup);
}

struct Caller {
    name: String,
    client: reqwest::Client,
    role: Role,
    extent: &'static str,
}

impl Caller {
    /// The status that refuses this caller; null when he is let in.
    fn refused(&self, role: Role, place: Where) -> Option<u16> {
        let has_role = self.role >= role;
        match (place, self.extent) {
            (Everything, "everything") | (Anywhere, _) | (Thing, "everything" | "own") => (!has_role).then_some(403),
            (Everything, _) => Some(403),
            (Thing, _) => Some(404),
        }
    }
}

async fn everybody(service: &TestService, administrator: &reqwest::Client, own: &str, foreign: &str) -> Vec<Caller> {
    let (own, foreign): (Uuid, Uuid) = (own.parse().unwrap(), foreign.parse().unwrap());
    let mut callers = Vec::new();
    for role in [VIEWER, OPERATOR, ADMINISTRATOR] {
        for (extent, grant) in [
            ("everything", Grant::everywhere(role)),
            ("own", Grant::within(role, own)),
            ("foreign", Grant::within(role, foreign)),
        ] {
            let name = format!("{role} of {extent}");
            let (_, client) = service.user(administrator, &name, &[grant]).await;
            callers.push(Caller { name, client, role, extent });
        }
    }
    callers
}

/// A body of a shape that no operation takes: who is let in is told so, and nothing changes.
async fn status(service: &TestService, client: &reqwest::Client, operation: &Operation, path: &str) -> u16 {
    let request = client.request(operation.method.parse().unwrap(), service.url(path));
    let request = if operation.has_body { request.json(&json!({"nonsense": true})) } else { request };
    // Those without a body that would start work stop at the key.
    let request = request.header("Idempotency-Key", "k".repeat(300));
    request.send().await.unwrap().status().as_u16()
}

async fn start() -> TestService {
    let limits = EdgeLimits { requests_per_second: 0, ..EdgeLimits::default() };
    TestService::start_with(EdgeSettings { limits, ..EdgeSettings::default() }).await
}

#[test]
fn f87_every_operation_has_a_row() {
    let missing: Vec<String> =
        operations().into_iter().map(|operation| operation.id).filter(|id| row(id).is_none()).collect();
    assert_eq!(missing, Vec::<String>::new(), "operations without a row in the matrix");
    let names: BTreeSet<&str> = MATRIX.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), MATRIX.len(), "a row is there twice");
}

#[actix_web::test]
async fn f87_f89_each_role_may_do_what_its_row_says_and_nothing_else() {
    let service = start().await;
    let project = |name: &'static str| service.post("/api/v1/projects", json!({"name": name}));
    let own = project("own").await.json()["id"].as_str().unwrap().to_owned();
    let foreign = project("foreign").await.json()["id"].as_str().unwrap().to_owned();
    let mut things = Things::make(&service, &own).await;
    let administrator = with_cookie(&service.claim().await);
    let callers = everybody(&service, &administrator, &own, &foreign).await;
    let (_, program) = service.token(&administrator, json!({"name": "program", "role": "administrator"})).await;
    let program = with_token(&program);
    let (_, worker) = service.token(&administrator, json!({"name": "w", "kind": "worker"})).await;
    let workers = [with_token(&worker), with_token(TOKEN)];
    let (nobody, liar) = (reqwest::Client::new(), with_token("hfa_made-up"));
    let spare = json!({"name": "spare", "role": "viewer"});
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut check = |who: &str, operation: &Operation, expected: &str, is_right: bool, status: u16| {
        count += 1;
        if !is_right {
            wrong.push(format!("{} {} by {who}: {status}, expected {expected}", operation.method, operation.path));
        }
    };

    for operation in &operations() {
        let row = row(&operation.id).unwrap();
        let (mut path, mut owner) = (String::new(), 0);
        for caller in &callers {
            if path.is_empty() || CONSUMING.contains(&operation.id.as_str()) {
                owner += 1;
                let recurrence = json!({"recurrence": "TZ=UTC 0 4 * * *"});
                let schedules = things.address("/api/v1/datastores/{id}/schedules");
                let fresh = match operation.id.as_str() {
                    "schedule_delete" => {
                        let made = service.ask(&administrator, "POST", &schedules, recurrence).await.json();
                        ("schedules", made["id"].as_str().unwrap().to_owned())
                    }
                    "token_delete" => {
                        ("tokens", service.token(&caller.client, spare_of(&spare, caller, &own, &foreign)).await.0)
                    }
                    _ if operation.path.contains("/users/{id}") => {
                        let body = json!({"username": format!("spare {} {owner}", operation.id), "grants": []});
                        let made = service.ask(&administrator, "POST", "/api/v1/users", body).await.json();
                        ("users", made["user"]["id"].as_str().unwrap().to_owned())
                    }
                    _ => ("", String::new()),
                };
                things.by_word.insert(fresh.0, fresh.1);
                path = things.address(&operation.path);
            }
            if let Needs(role, place) = row {
                let answered = status(&service, &caller.client, operation, &path).await;
                match caller.refused(role, place) {
                    Some(refusal) => {
                        check(&caller.name, operation, &refusal.to_string(), answered == refusal, answered)
                    }
                    None => {
                        check(&caller.name, operation, "to be let in", !matches!(answered, 401 | 403 | 404), answered)
                    }
                }
            }
            if row == Worker {
                let answered = status(&service, &caller.client, operation, &path).await;
                check(&caller.name, operation, "403", answered == 403, answered);
            }
        }
        for (name, client) in [("nobody", &nobody), ("a made-up token", &liar)] {
            let answered = status(&service, client, operation, &path).await;
            match row {
                Public => check(name, operation, "an answer", !matches!(answered, 401 | 403), answered),
                _ => check(name, operation, "401", answered == 401, answered),
            }
        }
        if row == Person {
            let answered = status(&service, &program, operation, &path).await;
            check("a program", operation, "403", answered == 403, answered);
        }
        for client in &workers {
            let answered = status(&service, client, operation, &path).await;
            match row {
                Worker => check("a worker", operation, "to be let in", !matches!(answered, 401 | 403), answered),
                Public => {}
                _ => check("a worker", operation, "403", answered == 403, answered),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "of {count}");
    assert!(count > 900, "{count} were asked");
    service.stop().await;
}

/// A token that the caller may make.
fn spare_of(spare: &Value, caller: &Caller, own: &str, foreign: &str) -> Value {
    let mut create = spare.clone();
    match caller.extent {
        "own" => create["project_id"] = json!(own),
        "foreign" => create["project_id"] = json!(foreign),
        _ => {}
    }
    create
}

#[actix_web::test]
async fn f87_what_is_foreign_is_answered_like_what_is_not_there() {
    let service = start().await;
    let own = service.post("/api/v1/projects", json!({"name": "own"})).await.json()["id"].as_str().unwrap().to_owned();
    let foreign =
        service.post("/api/v1/projects", json!({"name": "x"})).await.json()["id"].as_str().unwrap().to_owned();
    let things = Things::make(&service, &own).await;
    let unassigned = service.datastore("unassigned").await.id;
    let administrator = with_cookie(&service.claim().await);
    let grants = [Grant::within(ADMINISTRATOR, foreign.parse().unwrap())];
    let (_, stranger) = service.user(&administrator, "stranger", &grants).await;
    let grants = [Grant::within(OPERATOR, own.parse().unwrap())];
    let (_, insider) = service.user(&administrator, "insider", &grants).await;

    for word in ["datastores", "backups", "restores", "schedules", "jobs", "projects"] {
        let found =
            service.ask(&stranger, "GET", &format!("/api/v1/{word}/{}", things.by_word[word]), Value::Null).await;
        let none = service.ask(&stranger, "GET", &format!("/api/v1/{word}/{}", Uuid::now_v7()), Value::Null).await;
        assert_eq!(found.problem(404, "not_found")["detail"], none.problem(404, "not_found")["detail"], "{word}");
        let seen = service.ask(&insider, "GET", &format!("/api/v1/{word}/{}", things.by_word[word]), Value::Null).await;
        assert_eq!(seen.status, 200, "{word}");
    }
    for (client, datastores, projects) in [(&stranger, 0, "x"), (&insider, 1, "own")] {
        let list = |path: &'static str| service.ask(client, "GET", path, Value::Null);
        assert_eq!(list("/api/v1/datastores").await.json()["total"], datastores);
        let jobs = list("/api/v1/jobs").await.json();
        assert_eq!((&jobs["total"], jobs["items"].as_array().unwrap().len()), (&json!(2 * datastores), 2 * datastores));
        let named = list("/api/v1/projects").await.json();
        assert_eq!((&named["total"], &named["items"][0]["name"]), (&json!(1), &json!(projects)));
    }
    let hidden = service.ask(&insider, "GET", &format!("/api/v1/datastores/{unassigned}"), Value::Null).await;
    hidden.problem(404, "not_found");

    // A restore over the data needs more than one to a new datastore does, and a refusal says what.
    let restore = format!("/api/v1/backups/{}/restore", things.by_word["backups"]);
    let in_place = json!({"target": {"kind": "in_place"}, "confirm": "shop"});
    let refused = service.ask(&insider, "POST", &restore, in_place).await.problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("administrator"), "{refused}");
    // Nobody moves a datastore to where he has no say.
    let datastore = format!("/api/v1/datastores/{}", things.by_word["datastores"]);
    let grants = [Grant::within(ADMINISTRATOR, own.parse().unwrap())];
    let (_, owner) = service.user(&administrator, "owner", &grants).await;
    for project in [json!(foreign), Value::Null] {
        let moved = service.ask(&owner, "PATCH", &datastore, json!({"project_id": project})).await;
        moved.problem(403, "forbidden");
    }
    let moved = service.ask(&administrator, "PATCH", &datastore, json!({"project_id": foreign})).await;
    assert_eq!(moved.json()["project_id"], json!(foreign));
    assert_eq!(service.ask(&stranger, "GET", "/api/v1/datastores", Value::Null).await.json()["total"], 1);
    service.stop().await;
}
