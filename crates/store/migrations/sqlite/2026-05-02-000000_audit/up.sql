-- Who did what. Rows are only ever added; the hash of each is over the one before and itself.
create table audit_events (
    id integer primary key not null,
    at bigint not null,
    actor_kind text not null,
    actor_id text,
    actor_name text not null,
    action text not null,
    subject_kind text not null,
    subject_id text,
    subject_name text,
    datastore_id text,
    from_address text,
    outcome text not null,
    detail text,
    request_id text,
    hash text not null
);
create index audit_events_at on audit_events (at, id);
create index audit_events_actor on audit_events (actor_name, id);
create index audit_events_actor_id on audit_events (actor_id, id) where actor_id is not null;
create index audit_events_action on audit_events (action, id);
create index audit_events_datastore on audit_events (datastore_id, id);
create index audit_events_outcome on audit_events (outcome, id);

create trigger audit_events_no_update before update on audit_events begin
    select raise(abort, 'the audit log is append-only');
end;
create trigger audit_events_no_delete before delete on audit_events begin
    select raise(abort, 'the audit log is append-only');
end;
-- `insert or replace` deletes without asking the trigger above (sqlite.org/lang_conflict.html).
create trigger audit_events_no_replace before insert on audit_events
when exists (select 1 from audit_events where id = new.id) begin
    select raise(abort, 'the audit log is append-only');
end;
