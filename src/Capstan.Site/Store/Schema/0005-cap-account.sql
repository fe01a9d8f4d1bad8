-- Connection accounts of a CAP: 'site' for the site itself, 'clients' for the clients, who use the site's where they have none of their own.
-- The secret is sealed to the site's sealing key: a copy of the database opens no storage.
create table cap_account (
    cap text not null,
    role text not null,
    name text not null,
    secret text not null,
    -- The newest is tried first.
    added_at bigint not null,
    primary key (cap, role, name)
);
