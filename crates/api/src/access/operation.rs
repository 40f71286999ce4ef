//! One type for each permission, so that a handler's signature can name it.

use domain::access::Permission;

/// What a handler does.
pub(crate) trait Operation {
    const PERMISSION: Permission;
}

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        $(
            #[allow(dead_code, reason = "a permission that is asked for in the middle of a handler has no signature")]
            pub(crate) enum $name {}
            impl Operation for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )+
    };
}

operations!(
    DatastoreList,
    DatastoreCreate,
    DatastoreTestDraft,
    DatastoreGet,
    DatastorePatch,
    DatastoreDelete,
    DatastoreTest,
    DatastoreSweep,
    RecoveryWindow,
    LogScan,
    BackupList,
    BackupCreate,
    BackupGet,
    BackupDelete,
    BackupCancel,
    BackupVerify,
    BackupLog,
    BackupSettingsGet,
    BackupSettingsPut,
    RetentionPlan,
    RetentionPreview,
    BackupHold,
    BackupRelease,
    BackupRestorePlan,
    BackupRestore,
    RestoreInPlace,
    RestoreList,
    RestoreGet,
    RestoreCancel,
    RestoreUndo,
    RestoreApprove,
    RestoreRefuse,
    RestoreLog,
    ScheduleList,
    ScheduleCreate,
    SchedulePreview,
    ScheduleSettings,
    ScheduleGet,
    SchedulePatch,
    ScheduleDelete,
    SchedulePause,
    ScheduleResume,
    ScheduleRun,
    ScheduleRunList,
    JobList,
    JobGet,
    JobCancel,
    JobLog,
    StorageList,
    StorageGet,
    StorageCreate,
    StoragePatch,
    StorageDelete,
    WorkerList,
    EventStream,
    Metrics,
    AuditEventList,
    AuditEventExport,
    UserList,
    UserCreate,
    UserGet,
    UserPatch,
    UserDelete,
    UserSetupLink,
    ProjectList,
    ProjectCreate,
    ProjectGet,
    ProjectPatch,
    ProjectDelete,
    TokenList,
    TokenCreate,
    TokenDelete,
);
