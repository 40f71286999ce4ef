//! The addresses under `/api/v1`: one module per resource, thin: parse, authorise, call, answer.

mod audit_events;
mod auth;
mod backups;
mod datastores;
mod events;
mod jobs;
mod oidc;
mod projects;
mod recovery;
mod restores;
mod retention;
mod schedules;
pub(crate) mod service;
mod sessions;
mod storages;
mod tokens;
mod two_factor;
mod users;
mod worker_protocol;
mod workers;

use utoipa_actix_web::service_config::ServiceConfig;

/// Where all of them live.
pub(crate) const BASE: &str = "/api/v1";

/// Registers every address of the API.
pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(datastores::datastore_list)
        .service(datastores::datastore_create)
        .service(datastores::datastore_test_draft)
        .service(datastores::datastore_get)
        .service(datastores::datastore_patch)
        .service(datastores::datastore_delete)
        .service(datastores::datastore_test)
        .service(recovery::recovery_window)
        .service(recovery::log_scan)
        .service(backups::backup_list)
        .service(backups::backup_create)
        .service(backups::backup_get)
        .service(backups::backup_delete)
        .service(backups::backup_cancel)
        .service(backups::backup_verify)
        .service(backups::backup_log)
        .service(retention::backup_settings_get)
        .service(retention::backup_settings_put)
        .service(retention::retention_plan)
        .service(retention::retention_preview)
        .service(retention::backup_hold)
        .service(retention::backup_release)
        .service(retention::datastore_sweep)
        .service(restores::backup_restore_plan)
        .service(restores::backup_restore)
        .service(restores::restore_list)
        .service(restores::restore_get)
        .service(restores::restore_cancel)
        .service(restores::restore_undo)
        .service(restores::restore_log)
        .service(audit_events::audit_event_list)
        .service(audit_events::audit_event_export)
        .service(schedules::schedule_list)
        .service(schedules::schedule_create)
        .service(schedules::schedule_preview)
        .service(schedules::schedule_settings)
        .service(schedules::schedule_get)
        .service(schedules::schedule_patch)
        .service(schedules::schedule_delete)
        .service(schedules::schedule_pause)
        .service(schedules::schedule_resume)
        .service(schedules::schedule_run)
        .service(schedules::schedule_run_list)
        .service(jobs::job_list)
        .service(jobs::job_get)
        .service(jobs::job_cancel)
        .service(jobs::job_log)
        .service(storages::storage_list)
        .service(storages::storage_create)
        .service(storages::storage_get)
        .service(storages::storage_patch)
        .service(storages::storage_delete)
        .service(auth::auth_options)
        .service(auth::auth_login)
        .service(auth::auth_logout)
        .service(auth::auth_me)
        .service(auth::auth_setup)
        .service(auth::auth_password)
        .service(sessions::auth_session_list)
        .service(sessions::auth_session_delete)
        .service(two_factor::auth_two_factor)
        .service(two_factor::auth_two_factor_confirm)
        .service(two_factor::auth_two_factor_disable)
        .service(users::user_list)
        .service(users::user_create)
        .service(users::user_get)
        .service(users::user_patch)
        .service(users::user_delete)
        .service(users::user_setup_link)
        .service(projects::project_list)
        .service(projects::project_create)
        .service(projects::project_get)
        .service(projects::project_patch)
        .service(projects::project_delete)
        .service(tokens::token_list)
        .service(tokens::token_create)
        .service(tokens::token_delete)
        .service(workers::worker_list)
        .service(events::event_stream)
        .service(oidc::auth_oidc_start)
        .service(oidc::auth_oidc_callback)
        .service(worker_protocol::worker_claim)
        .service(worker_protocol::worker_heartbeat)
        .service(worker_protocol::worker_result)
        .service(worker_protocol::worker_suspend_archiving)
        .service(worker_protocol::worker_log_archivers)
        .service(worker_protocol::worker_log_segments)
        .service(worker_protocol::worker_log_report);
}
