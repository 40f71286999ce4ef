use chrono::TimeZone;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::audit::{ActorKind, SubjectKind};

fn entry() -> impl Strategy<Value = AuditEntry> {
    let text = || proptest::option::of(".{0,12}");
    (0..ActorKind::ALL.len(), ".{0,12}", "[a-z_]{1,12}", any::<Option<u128>>(), text(), text(), text()).prop_map(
        |(kind, name, action, id, address, detail, request)| AuditEntry {
            from_address: address,
            detail,
            request_id: request,
            datastore_id: id.map(Uuid::from_u128),
            ..AuditEntry::new(
                Actor::named(ActorKind::ALL[kind], name),
                action,
                Subject::of(SubjectKind::Backup, id.map(Uuid::from_u128)),
            )
        },
    )
}

fn chain(entries: Vec<AuditEntry>) -> (Vec<AuditEvent>, Head) {
    let mut head = Head::genesis();
    let mut events = Vec::new();
    for (second, entry) in entries.into_iter().enumerate() {
        let at = Utc.timestamp_opt(1_780_000_000 + second as i64, 0).unwrap();
        let event = head.append(entry, at);
        head = Head::of(&event);
        events.push(event);
    }
    (events, head)
}

fn verify(events: &[AuditEvent], head: &Head) -> Result<Head, Break> {
    let mut verifier = Verifier::default();
    events.iter().try_for_each(|event| verifier.check(event))?;
    verifier.finish(Some(head))
}

proptest! {
    #[test]
    fn a_log_that_nobody_touched_verifies(entries in proptest::collection::vec(entry(), 0..20)) {
        let (events, head) = chain(entries);
        prop_assert_eq!(verify(&events, &head), Ok(head));
    }

    #[test]
    fn every_changed_row_is_named(entries in proptest::collection::vec(entry(), 1..20), at: prop::sample::Index, what in 0..10) {
        let (mut events, head) = chain(entries);
        let index = at.index(events.len());
        let event = &mut events[index];
        let other = |text: &Option<String>| Some(format!("{}x", text.as_deref().unwrap_or_default()));
        match what {
            0 => event.at += chrono::TimeDelta::microseconds(1),
            1 => event.actor.name.push('x'),
            2 => event.actor.id = Some(Uuid::from_u128(event.actor.id.map_or(1, |id| id.as_u128() ^ 1))),
            3 => event.action.push('x'),
            4 => event.subject.name = other(&event.subject.name),
            5 => event.datastore_id = match event.datastore_id { None => Some(Uuid::nil()), Some(_) => None },
            6 => event.from_address = other(&event.from_address),
            7 => event.outcome = AuditOutcome::Failed,
            8 => event.detail = other(&event.detail),
            _ => event.request_id = other(&event.request_id),
        }
        let id = event.id;
        prop_assert_eq!(verify(&events, &head), Err(Break::Altered { id }));
    }

    #[test]
    fn every_removed_row_is_named(entries in proptest::collection::vec(entry(), 1..20), at: prop::sample::Index) {
        let (mut events, head) = chain(entries);
        let id = events.remove(at.index(events.len())).id;
        let expected = match id == head.count {
            true => Break::CutOff { id, count: head.count },
            false => Break::Removed { id },
        };
        prop_assert_eq!(verify(&events, &head), Err(expected));
    }

    #[test]
    fn rows_that_changed_places_are_found(
        entries in proptest::collection::vec(entry(), 2..20), one: prop::sample::Index, two: prop::sample::Index,
    ) {
        let (mut events, head) = chain(entries);
        let (one, two) = (one.index(events.len()), two.index(events.len()));
        prop_assume!(one != two);
        let (first, second) = (events[one].id, events[two].id);
        events.swap(one, two);
        // As they lie in the table: the ids in order, the rows not.
        (events[one].id, events[two].id) = (first, second);
        prop_assert_eq!(verify(&events, &head), Err(Break::Altered { id: first.min(second) }));
    }

    #[test]
    fn an_inserted_row_is_found(entries in proptest::collection::vec(entry(), 1..20), new in entry(), at: prop::sample::Index) {
        let (mut events, head) = chain(entries);
        let index = at.index(events.len() + 1);
        // The attacker numbers all rows anew and makes the new one's own hash right.
        let before = index.checked_sub(1).map_or_else(Head::genesis, |before| Head::of(&events[before]));
        let inserted = before.append(new, Utc.timestamp_opt(1_780_000_000, 0).unwrap());
        for event in &mut events[index..] {
            event.id += 1;
        }
        let id = inserted.id;
        events.insert(index, inserted);
        let found = verify(&events, &head).unwrap_err();
        let expected = if id > head.count { Break::Surplus { id } } else { Break::Altered { id: id + 1 } };
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_log_written_anew_is_found(entries in proptest::collection::vec(entry(), 1..20), other in entry()) {
        let (_, head) = chain(entries.clone());
        let mut forged = entries;
        prop_assume!(forged[0] != other);
        forged[0] = other;
        let (events, forged_head) = chain(forged);
        prop_assert_eq!(verify(&events, &head), Err(Break::Rewritten { id: forged_head.count }));
    }
}

#[test]
fn the_hash_of_a_row_never_changes_between_versions() {
    let id = Uuid::from_u128(7);
    let entry = AuditEntry {
        from_address: Some("127.0.0.1".into()),
        request_id: Some("r1".into()),
        datastore_id: Some(id),
        ..AuditEntry::new(Actor::unclaimed(), "backup_create", Subject::of(SubjectKind::Backup, Some(id)))
    };
    let event = Head::genesis().append(entry, Utc.timestamp_opt(1_780_000_000, 0).unwrap());
    insta::assert_snapshot!(event.hash, @"57727e7f2671ac9a7949b217db27bc75698447d42d54b44ab3202c8a6f3633ac");
}
