-- What is set for clients: for all of the site ('site'), for a group ('group:NAME') or for one device ('client:ID').
create table client_setting (
    scope text not null,
    name text not null,
    value text not null,
    set_at bigint not null,
    primary key (scope, name)
);

-- Groups of devices: named members, and those that a rule names. Of two groups that set the same, the one with the higher priority counts.
create table client_group (
    name text primary key,
    priority integer not null,
    rule text,
    added_at bigint not null
);

create table client_group_member (
    group_name text not null,
    device_id text not null,
    primary key (group_name, device_id)
);

-- What the device's signed policy sets, as JSON: name, value and where it comes from.
alter table device add column settings text not null default '[]';
