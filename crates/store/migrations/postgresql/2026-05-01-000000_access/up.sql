-- Groups of datastores that roles are given for.
create table projects (
    id text primary key not null,
    name text not null unique,
    created_at bigint not null
);
alter table datastores add column project_id text references projects (id);
create index datastores_project on datastores (project_id) where project_id is not null;

-- People. A password is kept as its argon2id hash, a one-time link and recovery codes as SHA-256, the second factor sealed.
create table users (
    id text primary key not null,
    username text not null,
    -- In small letters: two users whose names differ only in case would be taken for each other.
    username_key text not null unique,
    source text not null,
    issuer text,
    subject text,
    password_hash text,
    grants text not null,
    disabled boolean not null,
    totp_sealed text,
    totp_on boolean not null,
    -- The newest time step whose code was taken: none is taken twice.
    totp_step bigint not null,
    recovery_codes text not null,
    setup_digest text unique,
    setup_until bigint,
    created_at bigint not null,
    last_sign_in_at bigint
);
create unique index users_subject on users (issuer, subject) where subject is not null;

create table sessions (
    id text primary key not null,
    digest text not null unique,
    user_id text not null references users (id) on delete cascade,
    created_at bigint not null,
    last_used_at bigint not null,
    from_address text,
    user_agent text
);
create index sessions_user on sessions (user_id);

-- Credentials of programs. One that a person made reaches no further than that person.
create table tokens (
    id text primary key not null,
    digest text not null unique,
    name text not null,
    kind text not null,
    role text,
    project_id text references projects (id) on delete cascade,
    owner_id text references users (id) on delete cascade,
    created_by text not null,
    created_at bigint not null,
    expires_at bigint,
    last_used_at bigint,
    check ((kind = 'api') = (role is not null))
);
create index tokens_owner on tokens (owner_id);
create index tokens_project on tokens (project_id) where project_id is not null;

-- Which token a worker of this name came with first: no other may speak in its name. No token: the shared one.
create table worker_bindings (
    worker text primary key not null,
    token_id text references tokens (id) on delete cascade,
    bound_at bigint not null
);
create index worker_bindings_token on worker_bindings (token_id);
