//! The table of permissions, one for each operation of the API that needs one, and the decision about a request.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Grant, Role};
use crate::engine::named_enum;

/// Where a role has to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On the datastore that the id in the address is of.
    Datastore,
    /// On the datastore of the backup that the id in the address is of.
    Backup,
    /// On the datastore of the restore.
    Restore,
    /// On the datastore of the schedule.
    Schedule,
    /// On the datastore of the job.
    Job,
    /// On the project that the id in the address is of.
    Project,
    /// On anything at all: the answer is cut down to what the caller may see, or the handler looks closer.
    Somewhere,
    /// On everything.
    Everything,
}

macro_rules! permissions {
    ($($variant:ident => $text:literal, $role:ident, $reach:ident;)+) => {
        named_enum! {
            /// What may be done: named like the operation of the API that does it.
            Permission { $($variant => $text),+ }
        }

        impl Permission {
            /// The least role that it takes.
            pub const fn least_role(self) -> Role {
                match self { $(Self::$variant => Role::$role),+ }
            }

            /// Where the role has to be held.
            pub const fn reach(self) -> Reach {
                match self { $(Self::$variant => Reach::$reach),+ }
            }
        }
    };
}

permissions! {
    DatastoreList => "datastore_list", Viewer, Somewhere;
    DatastoreCreate => "datastore_create", Administrator, Somewhere;
    DatastoreTestDraft => "datastore_test_draft", Administrator, Somewhere;
    DatastoreGet => "datastore_get", Viewer, Datastore;
    DatastorePatch => "datastore_patch", Administrator, Datastore;
    DatastoreDelete => "datastore_delete", Administrator, Datastore;
    DatastoreTest => "datastore_test", Operator, Datastore;
    DatastoreSweep => "datastore_sweep", Administrator, Datastore;
    RecoveryWindow => "recovery_window", Viewer, Datastore;
    LogScan => "log_scan", Operator, Datastore;
    BackupList => "backup_list", Viewer, Datastore;
    BackupCreate => "backup_create", Operator, Datastore;
    BackupGet => "backup_get", Viewer, Backup;
    BackupDelete => "backup_delete", Administrator, Backup;
    BackupCancel => "backup_cancel", Operator, Backup;
    BackupVerify => "backup_verify", Operator, Backup;
    BackupLog => "backup_log", Viewer, Backup;
    BackupSettingsGet => "backup_settings_get", Viewer, Datastore;
    BackupSettingsPut => "backup_settings_put", Administrator, Datastore;
    RetentionPlan => "retention_plan", Viewer, Datastore;
    RetentionPreview => "retention_preview", Viewer, Datastore;
    BackupHold => "backup_hold", Operator, Backup;
    BackupRelease => "backup_release", Operator, Backup;
    BackupRestorePlan => "backup_restore_plan", Viewer, Backup;
    // To a new datastore; in place it is `RestoreInPlace`.
    BackupRestore => "backup_restore", Operator, Backup;
    RestoreInPlace => "restore_in_place", Administrator, Backup;
    RestoreList => "restore_list", Viewer, Datastore;
    RestoreGet => "restore_get", Viewer, Restore;
    RestoreCancel => "restore_cancel", Operator, Restore;
    RestoreUndo => "restore_undo", Administrator, Restore;
    RestoreApprove => "restore_approve", Administrator, Restore;
    RestoreRefuse => "restore_refuse", Administrator, Restore;
    RestoreLog => "restore_log", Viewer, Restore;
    ScheduleList => "schedule_list", Viewer, Datastore;
    ScheduleCreate => "schedule_create", Operator, Datastore;
    SchedulePreview => "schedule_preview", Viewer, Somewhere;
    ScheduleSettings => "schedule_settings", Viewer, Somewhere;
    ScheduleGet => "schedule_get", Viewer, Schedule;
    SchedulePatch => "schedule_patch", Operator, Schedule;
    ScheduleDelete => "schedule_delete", Operator, Schedule;
    SchedulePause => "schedule_pause", Operator, Schedule;
    ScheduleResume => "schedule_resume", Operator, Schedule;
    ScheduleRun => "schedule_run", Operator, Schedule;
    ScheduleRunList => "schedule_run_list", Viewer, Schedule;
    JobList => "job_list", Viewer, Somewhere;
    JobGet => "job_get", Viewer, Job;
    JobCancel => "job_cancel", Operator, Job;
    JobLog => "job_log", Viewer, Job;
    StorageList => "storage_list", Viewer, Somewhere;
    StorageGet => "storage_get", Viewer, Somewhere;
    StorageCreate => "storage_create", Administrator, Everything;
    StoragePatch => "storage_patch", Administrator, Everything;
    StorageDelete => "storage_delete", Administrator, Everything;
    WorkerList => "worker_list", Viewer, Somewhere;
    EventStream => "event_stream", Viewer, Somewhere;
    Metrics => "metrics", Viewer, Everything;
    AuditEventList => "audit_event_list", Administrator, Everything;
    AuditEventExport => "audit_event_export", Administrator, Everything;
    UserList => "user_list", Administrator, Everything;
    UserCreate => "user_create", Administrator, Everything;
    UserGet => "user_get", Administrator, Everything;
    UserPatch => "user_patch", Administrator, Everything;
    UserDelete => "user_delete", Administrator, Everything;
    UserSetupLink => "user_setup_link", Administrator, Everything;
    ProjectList => "project_list", Viewer, Somewhere;
    ProjectCreate => "project_create", Administrator, Everything;
    ProjectGet => "project_get", Viewer, Project;
    ProjectPatch => "project_patch", Administrator, Everything;
    ProjectDelete => "project_delete", Administrator, Everything;
    // One's own; all for who is administrator of everything.
    TokenList => "token_list", Viewer, Somewhere;
    TokenCreate => "token_create", Viewer, Somewhere;
    TokenDelete => "token_delete", Viewer, Somewhere;
}

/// Where a request reaches, once its thing was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Everything: what belongs to no project.
    Everything,
    /// A project, or what belongs to it.
    Project(Uuid),
    /// Anything at all.
    Somewhere,
}

impl Place {
    /// Where a datastore is: in its project, or where only roles for everything reach.
    pub fn of_project(project_id: Option<Uuid>) -> Self {
        project_id.map_or(Self::Everything, Self::Project)
    }
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// As if it did not exist: the caller may not even see it. // F-87
    Hidden,
    /// The caller may see it, but needs this role.
    Forbidden {
        needed: Role,
    },
}

/// The highest role that the grants give at a place.
pub fn role_on(grants: &[Grant], place: Place) -> Option<Role> {
    let counts = |grant: &&Grant| match (grant.project_id, place) {
        (None, _) | (Some(_), Place::Somewhere) => true,
        (Some(_), Place::Everything) => false,
        (Some(own), Place::Project(asked)) => own == asked,
    };
    grants.iter().filter(counts).map(|grant| grant.role).max()
}

/// Decides about an operation at the place that its [`Reach`] led to.
pub fn decide(grants: &[Grant], permission: Permission, place: Place) -> Decision {
    match permission.reach() {
        Reach::Everything => decide_at(grants, permission.least_role(), Place::Everything, true),
        Reach::Somewhere => decide_at(grants, permission.least_role(), Place::Somewhere, true),
        _ => decide_at(grants, permission.least_role(), place, false),
    }
}

/// Decides whether the grants give `least` at a place. `is_known` tells that everybody knows that the place is there: then a
/// refusal says what is missing even to who has no role there.
pub fn decide_at(grants: &[Grant], least: Role, place: Place, is_known: bool) -> Decision {
    match role_on(grants, place) {
        Some(role) if role >= least => Decision::Allowed,
        None if !is_known => Decision::Hidden,
        _ => Decision::Forbidden { needed: least },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Uuid = Uuid::from_u128(1);
    const FOREIGN: Uuid = Uuid::from_u128(2);

    #[test]
    fn f87_a_role_reaches_as_far_as_it_was_given() {
        use Decision::{Allowed, Forbidden, Hidden};
        use Role::{Administrator, Operator, Viewer};
        let forbidden = Forbidden { needed: Operator };
        for (grants, own, foreign, unassigned) in [
            (vec![], Hidden, Hidden, Hidden),
            (vec![Grant::everywhere(Viewer)], forbidden, forbidden, forbidden),
            (vec![Grant::everywhere(Operator)], Allowed, Allowed, Allowed),
            (vec![Grant::everywhere(Administrator)], Allowed, Allowed, Allowed),
            (vec![Grant::within(Viewer, OWN)], forbidden, Hidden, Hidden),
            (vec![Grant::within(Operator, OWN)], Allowed, Hidden, Hidden),
            (vec![Grant::everywhere(Viewer), Grant::within(Operator, OWN)], Allowed, forbidden, forbidden),
            (vec![Grant::within(Viewer, FOREIGN), Grant::within(Operator, OWN)], Allowed, forbidden, Hidden),
        ] {
            let decided = |place| decide(&grants, Permission::BackupCreate, place);
            assert_eq!(decided(Place::Project(OWN)), own, "{grants:?}");
            assert_eq!(decided(Place::Project(FOREIGN)), foreign, "{grants:?}");
            assert_eq!(decided(Place::of_project(None)), unassigned, "{grants:?}");
        }
    }

    #[test]
    fn f87_what_is_global_needs_a_role_for_everything() {
        for permission in Permission::ALL.iter().filter(|permission| permission.reach() == Reach::Everything) {
            let grants = [Grant::within(Role::Administrator, OWN)];
            let needed = permission.least_role();
            assert_eq!(decide(&grants, *permission, Place::Project(OWN)), Decision::Forbidden { needed });
        }
    }

    #[test]
    fn more_grants_never_allow_less() {
        let roles = [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Administrator)];
        let rank = |decision| match decision {
            Decision::Hidden => 0,
            Decision::Forbidden { .. } => 1,
            Decision::Allowed => 2,
        };
        for permission in Permission::ALL {
            for (everywhere, within) in roles.iter().flat_map(|one| roles.iter().map(move |other| (one, other))) {
                let global: Vec<Grant> = everywhere.iter().map(|role| Grant::everywhere(*role)).collect();
                let mut both = global.clone();
                both.extend(within.iter().map(|role| Grant::within(*role, OWN)));
                for place in [Place::Everything, Place::Project(OWN), Place::Project(FOREIGN)] {
                    assert!(
                        rank(decide(&both, *permission, place)) >= rank(decide(&global, *permission, place)),
                        "{permission} {both:?} {place:?}"
                    );
                }
            }
        }
    }
}
