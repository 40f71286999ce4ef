//! What a person has typed about a connection, and what of it is sent.

use domain::restore::NewDatastore;
use domain::{
    Datastore, DatastoreCreate, DatastorePatch, Engine, FieldError, Method, Secret, Service, SharedDirectory,
};
use leptos::prelude::*;
use uuid::Uuid;

/// The kinds of service control that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    Systemd,
    Command,
    Process,
    None,
}

/// The places through which a server hands its backups to the worker that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedKind {
    Directory,
    Storage,
}

/// The fields of a connection's form.
#[derive(Clone, Copy)]
pub struct ConnectionDraft {
    pub name: RwSignal<String>,
    pub engine: RwSignal<Engine>,
    pub host: RwSignal<String>,
    pub port: RwSignal<String>,
    pub username: RwSignal<String>,
    pub password: RwSignal<String>,
    pub data_directory: RwSignal<String>,
    pub shared_kind: RwSignal<SharedKind>,
    pub shared_storage: RwSignal<Option<Uuid>>,
    /// The shared directory as the server sees it, and as the worker does.
    pub server_path: RwSignal<String>,
    pub worker_path: RwSignal<String>,
    pub service_kind: RwSignal<ServiceKind>,
    pub unit: RwSignal<String>,
    /// Argument lists, an argument a line.
    pub start: RwSignal<String>,
    pub stop: RwSignal<String>,
    pub status: RwSignal<String>,
    pub user: RwSignal<String>,
    pub log_file: RwSignal<String>,
    /// What a new one belongs to.
    pub project: RwSignal<Option<Uuid>>,
}

impl ConnectionDraft {
    /// An empty form.
    pub fn new() -> Self {
        let empty = || RwSignal::new(String::new());
        Self {
            name: empty(),
            engine: RwSignal::new(Engine::Postgresql),
            host: RwSignal::new("127.0.0.1".to_owned()),
            port: empty(),
            username: empty(),
            password: empty(),
            data_directory: empty(),
            shared_kind: RwSignal::new(SharedKind::Directory),
            shared_storage: RwSignal::new(None),
            server_path: empty(),
            worker_path: empty(),
            service_kind: RwSignal::new(ServiceKind::Systemd),
            unit: empty(),
            start: empty(),
            stop: empty(),
            status: empty(),
            user: empty(),
            log_file: empty(),
            project: RwSignal::new(None),
        }
    }

    /// The form of a datastore that exists.
    pub fn of(datastore: &Datastore) -> Self {
        let draft = Self::new();
        draft.name.set(datastore.name.clone());
        draft.engine.set(datastore.engine);
        draft.host.set(datastore.host.clone());
        draft.port.set(datastore.port.to_string());
        draft.username.set(datastore.username.clone().unwrap_or_default());
        draft.data_directory.set(datastore.data_directory.clone().unwrap_or_default());
        if let Some(directory) = &datastore.shared_directory {
            draft.server_path.set(directory.server_path.clone());
            draft.worker_path.set(directory.worker_path.clone());
        }
        if let Some(storage) = datastore.shared_storage_id {
            draft.shared_kind.set(SharedKind::Storage);
            draft.shared_storage.set(Some(storage));
        }
        let lines = |arguments: &[String]| arguments.join("\n");
        draft.service_kind.set(match &datastore.service {
            Service::Systemd { unit } => {
                draft.unit.set(unit.clone());
                ServiceKind::Systemd
            }
            Service::Command { start, stop, status } => {
                draft.start.set(lines(start));
                draft.stop.set(lines(stop));
                draft.status.set(status.as_deref().map(lines).unwrap_or_default());
                ServiceKind::Command
            }
            Service::Process { start, user, log_file } => {
                draft.start.set(lines(start));
                draft.user.set(user.clone().unwrap_or_default());
                draft.log_file.set(log_file.clone().unwrap_or_default());
                ServiceKind::Process
            }
            Service::None => ServiceKind::None,
        });
        draft
    }

    /// How the server is stopped and started, as it was typed.
    fn service(&self) -> Service {
        if self.engine.get().needs_shared_place() {
            // It is restored through the server, which runs all the time.
            return Service::None;
        }
        match self.service_kind.get() {
            ServiceKind::Systemd => Service::Systemd { unit: self.unit.get().trim().to_owned() },
            ServiceKind::Command => Service::Command {
                start: arguments(&self.start.get()),
                stop: arguments(&self.stop.get()),
                status: Some(arguments(&self.status.get())).filter(|arguments| !arguments.is_empty()),
            },
            ServiceKind::Process => Service::Process {
                start: arguments(&self.start.get()),
                user: filled(&self.user.get()),
                log_file: filled(&self.log_file.get()),
            },
            ServiceKind::None => Service::None,
        }
    }

    /// The shared directory or storage that was chosen, where the engine needs one.
    fn shared_place(&self) -> (Option<SharedDirectory>, Option<Uuid>) {
        if !self.engine.get().needs_shared_place() {
            return (None, None);
        }
        match self.shared_kind.get() {
            SharedKind::Directory => (self.shared_directory(), None),
            SharedKind::Storage => (None, self.shared_storage.get()),
        }
    }

    /// What the shared rules can't know: that a storage was to be chosen.
    fn lacks_storage(&self) -> Option<FieldError> {
        let is_lacking = self.engine.get().needs_shared_place()
            && self.shared_kind.get() == SharedKind::Storage
            && self.shared_storage.get().is_none();
        is_lacking.then(|| FieldError::new("/shared_storage_id", "choose one; those of kind S3 are listed"))
    }

    /// The shared directory that was typed; none when neither path was.
    fn shared_directory(&self) -> Option<SharedDirectory> {
        let typed = |path: RwSignal<String>| path.get().trim().to_owned();
        let directory = SharedDirectory { server_path: typed(self.server_path), worker_path: typed(self.worker_path) };
        let is_empty = directory.server_path.is_empty() && directory.worker_path.is_empty();
        (!is_empty).then_some(directory)
    }

    /// The port that was typed; `None` where nothing was.
    fn typed_port(&self) -> Result<Option<u16>, FieldError> {
        match filled(&self.port.get()) {
            None => Ok(None),
            Some(port) => {
                port.parse().map(Some).map_err(|_| FieldError::new("/port", "must be a number between 1 and 65535"))
            }
        }
    }

    /// A new datastore of what was typed.
    ///
    /// # Errors
    /// The fields that the shared rules refuse.
    pub fn to_create(self) -> Result<DatastoreCreate, Vec<FieldError>> {
        let port = self.typed_port();
        let (shared_directory, shared_storage_id) = self.shared_place();
        let create = DatastoreCreate {
            name: self.name.get(),
            engine: self.engine.get(),
            host: self.host.get().trim().to_owned(),
            port: port.clone().unwrap_or_default(),
            username: filled(&self.username.get()),
            password: Some(self.password.get()).filter(|password| !password.is_empty()).map(Secret::new),
            data_directory: filled(&self.data_directory.get()),
            shared_directory,
            shared_storage_id,
            service: Some(self.service()),
            worker: None,
            storage_id: None,
            project_id: self.project.get_untracked(),
        };
        let mut errors = create.validate();
        errors.extend(port.err());
        errors.extend(self.lacks_storage());
        if errors.is_empty() { Ok(create) } else { Err(errors) }
    }

    /// The form of a datastore that a restore makes, beside the one that the backup is of.
    pub fn beside(source: &Datastore) -> Self {
        let draft = Self::new();
        draft.engine.set(source.engine);
        draft.host.set(source.host.clone());
        draft.username.set(source.username.clone().unwrap_or_default());
        draft.service_kind.set(ServiceKind::None);
        draft
    }

    /// A datastore to be made by a restore of a backup by `method` of `source`; `worker` is the name of the worker that does it.
    ///
    /// # Errors
    /// The fields that the shared rules refuse.
    pub fn to_restored(
        self,
        source: &Datastore,
        method: Method,
        worker: &str,
    ) -> Result<NewDatastore, Vec<FieldError>> {
        let port = self.typed_port();
        let through_server = method.restores_through_server();
        let (shared_directory, shared_storage_id) = self.shared_place();
        let new = NewDatastore {
            name: self.name.get_untracked(),
            data_directory: filled(&self.data_directory.get_untracked()).filter(|_| !through_server),
            shared_directory,
            shared_storage_id,
            service: Some(self.service()).filter(|service| *service != Service::None && !through_server),
            host: filled(&self.host.get_untracked()),
            port: port.clone().unwrap_or_default(),
            username: filled(&self.username.get_untracked()),
            password: Some(self.password.get_untracked()).filter(|password| !password.is_empty()).map(Secret::new),
            worker: filled(worker),
        };
        let mut errors = new.validate(source, method);
        errors.extend(port.err());
        if errors.is_empty() { Ok(new) } else { Err(errors) }
    }

    /// What was changed of a datastore that exists.
    ///
    /// # Errors
    /// The fields that the shared rules refuse.
    pub fn to_patch(self, datastore: &Datastore) -> Result<DatastorePatch, Vec<FieldError>> {
        let changed = |typed: String, before: &str| (typed != before).then_some(typed);
        let port = self.typed_port();
        let service = self.service();
        let (shared_directory, shared_storage_id) = self.shared_place();
        let patch = DatastorePatch {
            name: changed(self.name.get(), &datastore.name),
            host: changed(self.host.get().trim().to_owned(), &datastore.host),
            port: port
                .clone()
                .unwrap_or_default()
                .or_else(|| Some(self.engine.get().default_port()))
                .filter(|port| *port != datastore.port),
            username: changed(self.username.get().trim().to_owned(), datastore.username.as_deref().unwrap_or_default()),
            password: Some(self.password.get()).filter(|password| !password.is_empty()).map(Secret::new),
            data_directory: changed(
                self.data_directory.get().trim().to_owned(),
                datastore.data_directory.as_deref().unwrap_or_default(),
            ),
            shared_directory: (shared_directory != datastore.shared_directory).then_some(shared_directory),
            shared_storage_id: (shared_storage_id != datastore.shared_storage_id).then_some(shared_storage_id),
            service: (service != datastore.service).then_some(service),
            worker: None,
            storage_id: None,
            project_id: None,
            restore_guard: None,
        };
        let mut errors = patch.validate();
        errors.extend(port.err());
        errors.extend(self.lacks_storage());
        if errors.is_empty() { Ok(patch) } else { Err(errors) }
    }
}

/// The items of an argument list; lines without text are none.
fn arguments(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
