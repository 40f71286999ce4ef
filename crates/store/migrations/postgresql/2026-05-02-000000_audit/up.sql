-- Who did what. Rows are only ever added; the hash of each is over the one before and itself.
create table audit_events (
    id bigint primary key not null,
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

create function audit_events_refuse() returns trigger as $$
begin
    raise exception 'the audit log is append-only';
end;
$$ language plpgsql;
create trigger audit_events_no_change before update or delete on audit_events
    for each row execute function audit_events_refuse();
create trigger audit_events_no_truncate before truncate on audit_events
    for each statement execute function audit_events_refuse();
