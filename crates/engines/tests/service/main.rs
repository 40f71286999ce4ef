//! Stopping and starting real servers, as datastores tell.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::{Engine, ErrorCode, LogLevel, Service};
use engines::service::{
    ServiceContext, ServiceState, launch_process_service, start, status, stop, stop_all_process_services,
};
use testkit::{MariaDb, Postgres, Redis, processes_below, wait_until};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

struct Setup {
    context: ServiceContext,
    lines: Arc<Mutex<Vec<String>>>,
}

fn setup(engine: Engine, port: u16, data_directory: &Path) -> Setup {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&lines);
    let context = ServiceContext {
        datastore_id: Uuid::now_v7(),
        engine,
        host: "127.0.0.1".into(),
        port,
        data_directory: Some(data_directory.into()),
        log: Arc::new(move |_: LogLevel, line: &str| heard.lock().unwrap().push(line.to_owned())),
    };
    Setup { context, lines }
}

fn command(start: Vec<String>, stop: Vec<String>, status: Option<Vec<String>>) -> Service {
    Service::Command { start, stop, status }
}

#[tokio::test]
async fn commands_stop_and_start_each_engine() {
    let postgres = Postgres::start().unwrap();
    let mariadb = MariaDb::start().unwrap();
    let redis = Redis::start().unwrap();
    let servers = [
        (
            setup(Engine::Postgresql, postgres.port, &postgres.data_directory).context,
            command(postgres.start_command(), postgres.stop_command(), Some(postgres.status_command())),
        ),
        (
            setup(Engine::Mariadb, mariadb.port, &mariadb.data_directory).context,
            command(mariadb.start_command(), mariadb.stop_command(), None),
        ),
        (
            setup(Engine::Redis, redis.port, &redis.data_directory).context,
            command(redis.start_command(), redis.stop_command(), Some(redis.status_command())),
        ),
    ];
    for (context, service) in &servers {
        assert_eq!(status(service, context).await.unwrap(), ServiceState::Running, "{:?}", context.engine);
        stop(service, context).await.unwrap();
        assert_eq!(status(service, context).await.unwrap(), ServiceState::Stopped, "{:?}", context.engine);
        stop(service, context).await.expect("stopping a stopped one");
        start(service, context).await.unwrap();
        // Not every start command waits for the server; its first sign of life is waited for.
        assert_eq!(status(service, context).await.unwrap(), ServiceState::Running, "{:?}", context.engine);
    }
    assert!(postgres.is_running() && mariadb.is_running() && redis.is_running());
    wait_until("all answer", PATIENCE, || {
        postgres.sql("select 1").is_ok() && mariadb.sql("select 1").is_ok() && redis.cmd(&["ping"]).is_ok()
    });
}

/// The server that the command leaves behind writes to the command's own output for ever.
#[tokio::test]
async fn a_server_that_keeps_the_commands_output_open_does_not_hang_us() {
    let postgres = Postgres::start().unwrap();
    let setup = setup(Engine::Postgresql, postgres.port, &postgres.data_directory);
    let mut without_log = postgres.start_command();
    let log = without_log.iter().position(|argument| argument == "-l").unwrap();
    without_log.drain(log..log + 2);
    let service = command(without_log, postgres.stop_command(), None);
    stop(&service, &setup.context).await.unwrap();
    let begin = Instant::now();
    start(&service, &setup.context).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert!(setup.lines.lock().unwrap().iter().any(|line| line.contains("server started")));
    // Its messages go nowhere now, which must not harm it.
    assert!(postgres.sql("select no_such_column").is_err());
    assert_eq!(postgres.sql("select 1").unwrap(), "1");
}

#[tokio::test]
async fn a_stop_command_that_lies_is_found_out() {
    let postgres = Postgres::start().unwrap();
    let setup = setup(Engine::Postgresql, postgres.port, &postgres.data_directory);
    let service = command(postgres.start_command(), vec!["/bin/true".into()], None);
    // The real limit is minutes: what is seen meanwhile is that it does not say yes.
    let lied = tokio::time::timeout(Duration::from_secs(3), stop(&service, &setup.context)).await;
    assert!(lied.is_err(), "the server still runs");
    assert!(postgres.is_running());
}

#[tokio::test]
async fn failures_are_told_with_the_commands_words() {
    let postgres = Postgres::start().unwrap();
    let setup = setup(Engine::Postgresql, postgres.port, &postgres.data_directory);
    let failing = command(vec!["/bin/false".into()], vec!["/bin/ls".into(), "/nonexistent".into()], None);
    let error = stop(&failing, &setup.context).await.unwrap_err().to_job_error();
    assert_eq!(error.code, ErrorCode::ServiceControlFailed);
    assert!(error.detail.contains("/nonexistent") && error.detail.contains("by hand"), "{}", error.detail);
    assert_eq!(start(&failing, &setup.context).await.unwrap_err().code(), ErrorCode::ServiceControlFailed);
    let missing = command(vec!["no-such-program".into()], vec!["no-such-program".into()], None);
    assert_eq!(start(&missing, &setup.context).await.unwrap_err().code(), ErrorCode::MissingTool);
    let nobody = stop(&Service::None, &setup.context).await;
    assert_eq!(nobody.unwrap_err().code(), ErrorCode::ServiceControlMissing, "it runs, and nobody told how to stop it");
    let unit = Service::Systemd { unit: "holdfast-no-such-unit.service".into() };
    let error = stop(&unit, &setup.context).await.unwrap_err();
    assert!(matches!(error.code(), ErrorCode::ServiceControlFailed | ErrorCode::MissingTool), "{error:?}");
    assert!(postgres.is_running());

    // A command that is content without having started anything.
    postgres.stop().unwrap();
    let idle = command(vec!["/bin/true".into()], vec!["/bin/true".into()], None);
    let error = start(&idle, &setup.context).await.unwrap_err();
    assert!(error.to_string().contains("no server appeared"), "{error}");
}

/// One that is run by this process, from start to end; one that is not ours is left alone.
#[tokio::test]
async fn own_processes_are_started_stopped_and_told_from_others() {
    let postgres = Postgres::start().unwrap();
    let setup = setup(Engine::Postgresql, postgres.port, &postgres.data_directory);
    let context = &setup.context;
    let log_file = postgres.data_directory.with_file_name("own.log");
    let owner = process::Credentials::of_owner(&postgres.data_directory).unwrap();
    let user = nix::unistd::User::from_uid(owner.uid.into()).unwrap().unwrap().name;
    let service = Service::Process {
        start: vec![
            postgres.binaries().join("postgres").display().to_string(),
            "-D".into(),
            postgres.data_directory.display().to_string(),
        ],
        user: Some(user),
        log_file: Some(log_file.display().to_string()),
    };

    let error = stop(&service, context).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ServiceControlFailed);
    assert!(error.to_string().contains("did not start the server"), "{error}");
    assert!(postgres.is_running());
    postgres.stop().unwrap();
    stop(&service, context).await.expect("nothing runs");

    launch_process_service(context.datastore_id, &service, Engine::Postgresql).unwrap();
    wait_until("the server answers", PATIENCE, || postgres.sql("select 1").is_ok());
    let running = processes_below(&postgres.data_directory).len();
    launch_process_service(context.datastore_id, &service, Engine::Postgresql).expect("it runs already");
    assert_eq!(status(&service, context).await.unwrap(), ServiceState::Running);
    stop(&service, context).await.unwrap();
    assert_eq!(processes_below(&postgres.data_directory), Vec::<u32>::new(), "of {running}");
    let log = std::fs::read_to_string(&log_file).unwrap();
    assert!(log.contains("received fast shutdown request") && log.contains("database system is shut down"), "{log}");

    start(&service, context).await.unwrap();
    wait_until("the server answers again", PATIENCE, || postgres.sql("select 1").is_ok());
    stop_all_process_services().await.unwrap();
    assert_eq!(status(&service, context).await.unwrap(), ServiceState::Stopped);

    let nobody =
        Service::Process { start: vec!["/bin/true".into()], user: Some("no-such-user".into()), log_file: None };
    let error = launch_process_service(Uuid::now_v7(), &nobody, Engine::Redis).unwrap_err();
    assert!(error.to_string().contains("no-such-user"), "{error}");
}
