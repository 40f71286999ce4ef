//! `/datastores/{id}`: the head and the tabs that all of a datastore's pages share.

use domain::access::Permission;
use domain::{Datastore, ErrorCode, EventKind, FindingSeverity};
use leptos::prelude::*;

use super::backups::BackupsPage;
use super::not_found::NotFoundPage;
use super::recovery::RecoveryPage;
use super::restores::RestoresPage;
use super::schedules::SchedulesPage;
use super::settings::SettingsPage;
use crate::parts::datastore_row::{
    BackUpNow, address_of, archives_logs, backup_choices, backup_obstacle, engine_of, recoverable,
};
use crate::parts::engine_glyph::EngineGlyph;
use crate::parts::findings::summary;
use crate::parts::icon::Icon;
use crate::parts::job_state::datastore_state;
use crate::parts::problem::Problem;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::router::router;
use crate::state::address::use_datastore_id;
use crate::state::clock::clock;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::session::{Session, session};
use crate::state::title::use_title;

/// One of a datastore's pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Backups,
    Schedules,
    Recovery,
    Restores,
    Settings,
}

impl Tab {
    /// The page that an address shows, whatever its datastore.
    pub fn at(path: &str) -> Option<Self> {
        let (_, tab) = path.strip_prefix("/datastores/")?.split_once('/')?;
        match tab {
            "backups" => Some(Self::Backups),
            "schedules" => Some(Self::Schedules),
            "recovery" => Some(Self::Recovery),
            "restores" => Some(Self::Restores),
            "settings" => Some(Self::Settings),
            _ => None,
        }
    }

    fn view(self) -> AnyView {
        match self {
            Self::Backups => view! { <BackupsPage /> }.into_any(),
            Self::Schedules => view! { <SchedulesPage /> }.into_any(),
            Self::Recovery => view! { <RecoveryPage /> }.into_any(),
            Self::Restores => view! { <RestoresPage /> }.into_any(),
            Self::Settings => view! { <SettingsPage /> }.into_any(),
        }
    }
}

/// The datastore whose pages are shown.
#[derive(Clone, Copy)]
pub struct CurrentDatastore {
    pub datastore: Memo<Option<Datastore>>,
    pub fetch: Fetch<Datastore>,
    session: Session,
}

impl CurrentDatastore {
    /// Why something is not offered here; nothing when it is.
    pub fn lacks(self, permission: Permission) -> Option<String> {
        let project = self.datastore.with(|datastore| datastore.as_ref().and_then(|datastore| datastore.project_id));
        self.session.lacks(permission, project)
    }

    /// The same, as it changes.
    pub fn lacking(self, permission: Permission) -> Signal<Option<String>> {
        Signal::derive(move || self.lacks(permission))
    }
}

#[component]
pub fn DatastorePage() -> impl IntoView {
    let live = live();
    let clock = clock();
    let id = use_datastore_id();
    let archives = RwSignal::new(false);
    let fetch = Fetch::new(
        move || {
            live.follow(&[EventKind::Datastore, EventKind::Backup, EventKind::Restore]);
            // The log grows.
            if archives.get() {
                clock.now.track();
            }
            id.get()
        },
        |id| async move { service().datastore_get(id).await },
    );
    // What was loaded for another id is not shown for this one.
    let datastore = Memo::new(move |_| {
        let id = id.get();
        fetch.data.with(|datastore| datastore.clone().filter(|datastore| Some(datastore.id) == id))
    });
    Effect::new(move |_| archives.set(datastore.with(|datastore| datastore.as_ref().is_some_and(archives_logs))));
    provide_context(CurrentDatastore { datastore, fetch, session: session() });
    let missing = Memo::new(move |_| {
        let unknown = fetch
            .failure
            .with(|failure| failure.as_ref().is_some_and(|failure| failure.code == Some(ErrorCode::NotFound)));
        id.get().is_none() || unknown
    });
    let path = router().path;
    let tab = Memo::new(move |_| path.with(|path| Tab::at(path)));
    let there = Memo::new(move |_| datastore.with(Option::is_some));
    view! {
        <Show when=move || !missing.get() fallback=NotFoundPage>
            {move || fetch.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| fetch.reload()) /> })}
            <Show when=move || fetch.slow.get() && !there.get()>
                <SkeletonRows />
            </Show>
            <Show when=move || there.get()>
                <Head datastore />
                <Notice datastore />
                <Tabs />
                {move || tab.get().map(Tab::view)}
            </Show>
        </Show>
    }
}

#[component]
fn Head(datastore: Memo<Option<Datastore>>) -> impl IntoView {
    let id = Memo::new(move |_| datastore.with(|datastore| datastore.as_ref().map(|datastore| datastore.id)));
    let obstacle = Signal::derive(move || datastore.with(|datastore| datastore.as_ref().and_then(backup_obstacle)));
    let choices =
        Signal::derive(move || datastore.with(|datastore| datastore.as_ref().map(backup_choices)).unwrap_or_default());
    let text = move |read: fn(&Datastore) -> String| {
        move || datastore.with(|datastore| datastore.as_ref().map(read).unwrap_or_default())
    };
    use_title(text(|datastore| datastore.name.clone()));
    view! {
        <div class="page-head">
            {move || datastore.with(|datastore| datastore.as_ref().map(|datastore| view! { <EngineGlyph engine=datastore.engine large=true /> }))}
            <div class="grow">
                <h1>{text(|datastore| datastore.name.clone())}</h1>
                <div class="head-line">
                    {move || datastore.with(|datastore| datastore.as_ref().map(|datastore| datastore_state(datastore.status)))}
                    <span>{text(engine_of)}</span>
                    <span class="number">{text(address_of)}</span>
                    {move || datastore.with(|datastore| datastore.as_ref().and_then(recoverable))}
                </div>
            </div>
            {move || id.get().map(|id| view! { <BackUpNow id obstacle choices primary=true /> })}
        </div>
    }
}

/// Says so when the newest test found something that keeps backups or restores from working.
#[component]
fn Notice(datastore: Memo<Option<Datastore>>) -> impl IntoView {
    let problems = Memo::new(move |_| {
        datastore.with(|datastore| {
            let datastore = datastore.as_ref()?;
            let bad = datastore.findings.iter().find(|finding| finding.severity == FindingSeverity::Error)?;
            Some((datastore.id, summary(&datastore.findings), bad.detail.clone()))
        })
    });
    let path = router().path;
    move || {
        let (id, summary, first) = problems.get().filter(|_| !path.get().ends_with("/settings"))?;
        Some(view! {
            <div class="note bad page-note">
                <Icon name="failed" />
                <div class="grow"><h3>{summary}</h3><p>{first}</p></div>
                <a class="button small" href=format!("/datastores/{id}/settings")>"See what to do"</a>
            </div>
        })
    }
}

#[component]
fn Tabs() -> impl IntoView {
    let id = use_datastore_id();
    let path = router().path;
    let tab = move |page: &'static str, icon: &'static str, name: &'static str| {
        let href = move || id.get().map(|id| format!("/datastores/{id}/{page}"));
        let here = move || {
            path.with(|path| {
                let also = page == "backups" && path.ends_with("/schedules");
                (also || path.ends_with(page)).then_some("page")
            })
        };
        view! { <a href=href aria-current=here><Icon name=icon />{name}</a> }
    };
    view! {
        <nav class="tabs" aria-label="Datastore">
            {tab("backups", "backup", "Backups")}
            {tab("recovery", "waiting", "Recovery")}
            {tab("restores", "restore", "Restores")}
            {tab("settings", "gear", "Settings")}
        </nav>
    }
}

/// The line below the tab *Backups*: its two pages, what a page adds to it, and the way to the settings.
#[component]
pub fn BackupTabs(#[prop(optional)] children: Option<Children>) -> impl IntoView {
    let id = use_datastore_id();
    let path = router().path;
    let tab = move |page: &'static str, name: &'static str| {
        let href = move || id.get().map(|id| format!("/datastores/{id}/{page}"));
        let here = move || path.with(|path| path.ends_with(page).then_some("page"));
        view! { <a href=href aria-current=here>{name}</a> }
    };
    view! {
        <div class="subhead">
            <nav class="subtabs" aria-label="Backups">
                {tab("backups", "All backups")} {tab("schedules", "Backup schedules")}
            </nav>
            {children.map(|children| children())}
            <a class="button" href=move || id.get().map(|id| format!("/datastores/{id}/settings"))>
                <Icon name="gear" />
                "Backup settings"
            </a>
        </div>
    }
}
