-- Whether restores in place need a second person.
alter table datastores add column restore_guard boolean not null default false;
-- A guarded restore's request as JSON, and until when it waits for a decision: null once it was decided.
alter table restores add column approval text;
alter table restores add column approval_open_until bigint;
create index restores_open_requests on restores (approval_open_until) where approval_open_until is not null;
-- Nobody may claim such a job, and it keeps no other job from the datastore.
alter table jobs add column awaiting_approval boolean not null default false;
create unique index jobs_one_request on jobs (datastore_id) where awaiting_approval and status = 'pending';
