-- Who may sign in, who is signed in, and who changed what.
create table site_user (
    name text primary key,
    role text not null,
    password_hash text not null,
    created_at bigint not null,
    changed_at bigint not null
);

-- Only the SHA-256 of a session's token is kept: a copy of the database signs nobody in.
create table site_session (
    token_sha256 text primary key,
    user_name text not null,
    started_at bigint not null,
    used_at bigint not null
);
create index site_session_by_user on site_session (user_name);

create table audit (
    id bigint primary key,
    at bigint not null,
    actor text not null,
    address text not null,
    action text not null,
    subject text,
    outcome integer not null
);
