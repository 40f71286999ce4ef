//! Users, sessions, tokens, projects, and which token speaks for which worker.

use chrono::{Duration, TimeDelta};
use diesel::RunQueryDsl;
use domain::access::{
    Grant, Place, ProjectDraft, Reach, Role, TokenCreate, TokenKind, User, UserCreate, UserPatch, UserStatus,
};
use domain::{DatastorePatch, ErrorCode};
use store::{DatastoreFilter, ExternalUser, JobFilter, PageRequest, StoreError, TokenOrder};
use uuid::Uuid;

use crate::fixture::{Fixture, after, now, raw};
use crate::on_both;

const HASH: &str = "$argon2id$a-hash";

fn user(fixture: &Fixture, name: &str, grants: &[Grant]) -> User {
    let create = UserCreate { username: name.into(), grants: grants.to_vec() };
    let made = fixture.store.user_create(&create, now()).unwrap();
    fixture.store.user_set_up(made.setup_link_token.expose(), HASH, now()).unwrap().unwrap()
}

fn token(fixture: &Fixture, kind: TokenKind, owner: Option<Uuid>, days: Option<u32>) -> (Uuid, String) {
    let role = (kind == TokenKind::Api).then_some(Role::Operator);
    let create = TokenCreate { name: "t".into(), kind, role, project_id: None, expires_in_days: days };
    let order = TokenOrder { create: &create, owner, created_by: "anna" };
    let made = fixture.store.token_create(&order, now()).unwrap();
    (made.token.id, made.secret.expose().to_owned())
}

on_both! {
    fn a_link_is_good_once_and_for_a_day(fixture) {
        let store = &fixture.store;
        assert!(!store.is_claimed().unwrap());
        let old = store.user_first_setup_link(now()).unwrap().unwrap();
        let link = store.user_first_setup_link(now()).unwrap().unwrap();
        let use_link = |link: &domain::access::SetupLink, at| store.user_set_up(link.setup_link_token.expose(), HASH, at).unwrap();
        assert_eq!(use_link(&old, now()), None, "a new link makes the old one void");
        assert_eq!(use_link(&link, link.expires_at), None, "it is too old");
        let administrator = use_link(&link, link.expires_at - Duration::seconds(1)).unwrap();
        assert_eq!((administrator.username.as_str(), administrator.status), ("admin", UserStatus::Active));
        assert_eq!(use_link(&link, now()), None, "it was used");
        assert!(store.is_claimed().unwrap());
        assert_eq!(store.user_first_setup_link(now()).unwrap(), None);
        store.user_setup_link(administrator.id, now()).unwrap();
        assert_eq!(store.user_credentials("ADMIN").unwrap().unwrap().password_hash.as_deref(), Some(HASH));
    }

    fn a_viewer_or_a_workers_token_claims_nothing_and_a_token_of_the_api_does(fixture) {
        user(fixture, "viewer", &[Grant::everywhere(Role::Viewer)]);
        token(fixture, TokenKind::Worker, None, None);
        assert!(!fixture.store.is_claimed().unwrap());
        token(fixture, TokenKind::Api, None, None);
        assert!(fixture.store.is_claimed().unwrap());
    }

    fn names_differ_in_more_than_case(fixture) {
        user(fixture, "Anna", &[]);
        let again = UserCreate { username: "aNNA".into(), grants: vec![] };
        assert_eq!(fixture.store.user_create(&again, now()).unwrap_err().code(), ErrorCode::NameTaken);
        let nowhere = UserCreate { username: "b".into(), grants: vec![Grant::within(Role::Viewer, Uuid::nil())] };
        assert!(matches!(fixture.store.user_create(&nowhere, now()), Err(StoreError::NotFound { what: "project" })));
    }

    fn f88_sessions_end_unused_and_in_any_case(fixture) {
        let store = &fixture.store;
        let anna = user(fixture, "anna", &[Grant::everywhere(Role::Viewer)]);
        let open = |replaces: Option<&str>, at| store.session_create(anna.id, Some("192.0.2.1"), Some("a browser"), replaces, at).unwrap().0;
        let secret = open(None, now());
        let alive = |secret: &str, at| store.session_by_secret(secret, at).unwrap();
        let hours = |hours: i64| now() + TimeDelta::hours(hours);
        assert_eq!(alive(secret.expose(), hours(12) - TimeDelta::seconds(1)).unwrap().user.username, "anna");
        assert_eq!(alive(secret.expose(), hours(12)), None, "12 hours without use");
        assert_eq!(alive("made up", now()), None);
        // Used every hour it lives, but for no more than 7 days.
        let id = alive(secret.expose(), now()).unwrap().session_id;
        for hour in 1..7 * 24 {
            let seen = alive(secret.expose(), hours(hour)).unwrap_or_else(|| panic!("hour {hour}"));
            assert!(seen.is_stale);
            store.session_touch(id, hours(hour)).unwrap();
            assert!(!alive(secret.expose(), hours(hour)).unwrap().is_stale);
        }
        assert_eq!(alive(secret.expose(), hours(7 * 24)), None, "7 days");

        let (first, other) = (open(None, now()), open(None, now()));
        let second = open(Some(first.expose()), after(1));
        assert_eq!(alive(first.expose(), after(1)), None, "another sign-in of the same browser");
        assert_eq!(store.session_list(anna.id, None, after(1)).unwrap().total, 3);
        let keep = alive(second.expose(), after(1)).unwrap().session_id;
        store.user_set_password(anna.id, "another", keep, after(2)).unwrap();
        assert_eq!(alive(other.expose(), after(2)), None, "another password");
        let stranger = user(fixture, "bert", &[]);
        assert!(matches!(store.session_delete(stranger.id, keep, after(3)), Err(StoreError::NotFound { .. })));
        store.user_update(anna.id, &UserPatch { disabled: Some(true), ..UserPatch::default() }, after(3)).unwrap();
        assert_eq!(alive(second.expose(), after(3)), None, "disabled");
    }

    fn f88_a_code_is_taken_once(fixture) {
        let store = &fixture.store;
        let anna = user(fixture, "anna", &[]);
        assert_eq!(store.user_totp_confirm(anna.id, now()).unwrap(), None, "none was begun");
        let secret = store.user_totp_begin(anna.id, now()).unwrap().unwrap();
        assert_eq!((secret.len(), store.user_totp_secret(anna.id).unwrap()), (20, Some(secret)));
        assert!(store.user_totp_accept(anna.id, 100, now()).unwrap());
        assert!(!store.user_totp_accept(anna.id, 100, now()).unwrap(), "taken before");
        assert!(!store.user_totp_accept(anna.id, 99, now()).unwrap(), "older than one that was taken");
        assert!(store.user_totp_accept(anna.id, 101, now()).unwrap());
        let codes = store.user_totp_confirm(anna.id, now()).unwrap().unwrap();
        assert_eq!(store.user_totp_begin(anna.id, now()).unwrap(), None, "it is on");
        let spend = |code: &str| store.user_recovery_code_use(anna.id, code, now()).unwrap();
        assert!(spend(codes[0].expose()) && !spend(codes[0].expose()) && spend(codes[9].expose()) && !spend(""));
        assert!(store.user_get(anna.id).unwrap().two_factor);
        let reset = UserPatch { reset_two_factor: Some(true), ..UserPatch::default() };
        assert!(!store.user_update(anna.id, &reset, now()).unwrap().two_factor);
        assert!(!spend(codes[1].expose()));
    }

    fn tokens_end_with_their_time_and_their_owner(fixture) {
        let store = &fixture.store;
        let anna = user(fixture, "anna", &[Grant::everywhere(Role::Viewer)]);
        let (id, secret) = token(fixture, TokenKind::Api, Some(anna.id), Some(2));
        let holder = |at| store.token_by_secret(&secret, at).unwrap();
        assert_eq!(holder(now()).unwrap().grants, [Grant::everywhere(Role::Viewer)], "no more than its owner may");
        assert!(holder(now() + TimeDelta::days(2) - TimeDelta::seconds(1)).is_some());
        assert_eq!(holder(now() + TimeDelta::days(2)), None);
        store.token_touch(id, now()).unwrap();
        assert!(!holder(after(59)).unwrap().is_stale && holder(after(60)).unwrap().is_stale);
        assert!(matches!(store.token_delete(id, Some(Uuid::nil()), now()), Err(StoreError::NotFound { .. })));
        assert_eq!(store.token_list(Some(anna.id), &PageRequest::default()).unwrap().total, 1);
        store.user_delete(anna.id, now()).unwrap();
        assert_eq!(holder(now()), None);
    }

    fn f81_of_what_opens_a_door_only_digests_are_kept(fixture) {
        let anna = user(fixture, "anna", &[]);
        let link = fixture.store.user_setup_link(anna.id, now()).unwrap().setup_link_token;
        let (session, _) = fixture.store.session_create(anna.id, None, None, None, now()).unwrap();
        let (_, token) = token(fixture, TokenKind::Api, None, None);
        let totp = hex::encode(fixture.store.user_totp_begin(anna.id, now()).unwrap().unwrap());
        let codes = fixture.store.user_totp_confirm(anna.id, now()).unwrap().unwrap();
        #[derive(diesel::QueryableByName)]
        struct Row { #[diesel(sql_type = diesel::sql_types::Text)] text: String }
        let query = "select coalesce(password_hash, '') || coalesce(totp_sealed, '') || recovery_codes || coalesce(setup_digest, '') as text from users \
             union all select digest as text from sessions union all select digest as text from tokens";
        let rows: Vec<Row> = raw(&fixture.url, |c| diesel::sql_query(query).load(c), |c| diesel::sql_query(query).load(c)).unwrap();
        let kept: String = rows.into_iter().map(|row| row.text).collect();
        assert!(kept.len() > 200, "{kept}");
        for secret in [link.expose(), session.expose(), &token, &totp, codes[0].expose()] {
            assert!(!kept.contains(secret), "{secret} is in {kept}");
        }
    }

    fn the_last_active_administrator_stays(fixture) {
        let all = [Grant::everywhere(Role::Administrator)];
        let (anna, bert) = (user(fixture, "anna", &all), user(fixture, "bert", &all));
        let disable = UserPatch { disabled: Some(true), ..UserPatch::default() };
        let demote = UserPatch { grants: Some(vec![]), ..UserPatch::default() };
        fixture.store.user_update(bert.id, &disable, now()).unwrap();
        for refused in [
            fixture.store.user_update(anna.id, &disable, now()).map(|_| ()),
            fixture.store.user_update(anna.id, &demote, now()).map(|_| ()),
            fixture.store.user_delete(anna.id, now()),
        ] {
            assert!(matches!(refused, Err(StoreError::LastAdministrator)), "{refused:?}");
        }
        let external = ExternalUser { issuer: "https://id".into(), subject: "1".into(), username: "carl".into(), grants: all.to_vec() };
        let carl = fixture.store.user_from_provider(&external, now()).unwrap().unwrap();
        assert_eq!(fixture.store.user_from_provider(&external, now()).unwrap().unwrap().id, carl.id);
        fixture.store.user_delete(anna.id, now()).unwrap();
    }

    fn projects_narrow_what_is_seen(fixture) {
        let store = &fixture.store;
        let ProjectDraft { name } = ProjectDraft { name: "shops".into() };
        let (own, foreign) = (store.project_create(&name, now()).unwrap(), store.project_create("x", now()).unwrap());
        let (shop, other) = (fixture.datastore("shop"), fixture.datastore("other"));
        let join = |datastore: Uuid, project| {
            let patch = DatastorePatch { project_id: Some(project), ..DatastorePatch::default() };
            store.datastore_update(datastore, &patch, now())
        };
        join(shop.id, Some(own.id)).unwrap();
        assert!(matches!(join(shop.id, Some(Uuid::nil())), Err(StoreError::NotFound { what: "project" })));
        let backup = fixture.completed_backup(shop.id, 10);
        fixture.completed_backup(other.id, 10);
        for (reach, id) in [(Reach::Datastore, shop.id), (Reach::Backup, backup.id), (Reach::Job, backup.job_id)] {
            assert_eq!(store.place_of(reach, id).unwrap(), Place::Project(own.id));
        }
        assert_eq!(store.place_of(Reach::Datastore, other.id).unwrap(), Place::Everything);
        assert!(matches!(store.place_of(Reach::Restore, other.id), Err(StoreError::NotFound { what: "restore" })));

        let page = PageRequest::default();
        for (project, seen) in [(own.id, 1), (foreign.id, 0)] {
            let projects = Some(vec![project]);
            let datastores = DatastoreFilter { projects: projects.clone(), ..DatastoreFilter::default() };
            let listed = store.datastore_list(&datastores, &page, now()).unwrap();
            assert_eq!((listed.total, listed.items.len()), (seen, usize::try_from(seen).unwrap()));
            let jobs = store.job_list(&JobFilter { projects, ..JobFilter::default() }, &page).unwrap();
            assert_eq!((jobs.total, jobs.items.len()), (seen, usize::try_from(seen).unwrap()));
            let events = store.event_list_of_projects(&[project], 0, 100).unwrap();
            assert_eq!(events.iter().any(|event| event.datastore_id == Some(shop.id)), seen == 1);
            assert!(!events.iter().any(|event| event.datastore_id == Some(other.id)));
        }
        let anna = user(fixture, "anna", &[Grant::within(Role::Viewer, own.id), Grant::everywhere(Role::Viewer)]);
        assert!(matches!(store.project_delete(own.id, now()), Err(StoreError::ProjectNotEmpty { count: 1 })));
        join(shop.id, None).unwrap();
        store.project_delete(own.id, now()).unwrap();
        assert_eq!(store.user_get(anna.id).unwrap().grants, [Grant::everywhere(Role::Viewer)]);
    }

    fn f89_a_workers_name_belongs_to_one_token(fixture) {
        let store = &fixture.store;
        let (one, _) = token(fixture, TokenKind::Worker, None, Some(1));
        let (other, _) = token(fixture, TokenKind::Worker, None, None);
        store.worker_admit("w1", Some(one), now()).unwrap();
        store.worker_admit("w1", Some(one), now()).unwrap();
        for thief in [Some(other), None] {
            assert!(matches!(store.worker_admit("w1", thief, now()), Err(StoreError::WorkerOfAnother { .. })));
        }
        let shop = fixture.datastore("shop");
        let backup = fixture.backup(shop.id);
        store.worker_require_job(backup.job_id, Some(other), now()).unwrap();
        assert_eq!(fixture.claim(after(1)).job_id, backup.job_id);
        store.worker_require_job(backup.job_id, Some(one), after(1)).unwrap();
        store.worker_require_logs(shop.id, Some(one), after(1)).unwrap();
        for thief in [Some(other), None] {
            assert!(matches!(store.worker_require_job(backup.job_id, thief, after(1)), Err(StoreError::LeaseLost)));
            assert!(matches!(store.worker_require_logs(shop.id, thief, after(1)), Err(StoreError::LeaseLost)));
        }
        // An expired token leaves its worker's name to the next.
        store.worker_admit("w1", Some(other), now() + TimeDelta::days(1)).unwrap();
        store.token_delete(other, None, now()).unwrap();
        store.worker_admit("w1", None, now()).unwrap();
    }
}
