-- Collections of devices replace the groups: static members, and those that a query selects. Members by query come with the first evaluation, before any policy is signed.
create table collection (
    collection_id bigint primary key,
    name text not null,
    -- Without case: no two collections differ in case alone.
    name_key text not null unique,
    -- In its one written form; null for static members only.
    query text,
    -- Of two collections that set the same, the one with the higher priority counts.
    priority integer not null,
    built_in integer not null,
    added_at bigint not null,
    evaluated_at bigint,
    -- Why the last evaluation failed; the members by query are then those of the one before.
    error text
);

create table collection_static (
    collection_id bigint not null,
    device_id text not null,
    primary key (collection_id, device_id)
);

-- Why: 1 by name, 2 by query, 3 both.
create table collection_member (
    collection_id bigint not null,
    device_number bigint not null,
    why integer not null,
    primary key (collection_id, device_number)
) {clustered};
create index collection_member_by_device on collection_member (device_number);

insert into collection (collection_id, name, name_key, query, priority, built_in, added_at) values
    (1, 'All Systems', 'all systems', 'id is known', 0, 1, 0),
    (2, 'All Linux', 'all linux', 'platform startsWith "linux"', 0, 1, 0),
    (3, 'All Windows', 'all windows', 'platform startsWith "win"', 0, 1, 0);

-- Of two groups whose names differ in case alone, the later one is given a name of its own.
insert into collection (collection_id, name, name_key, query, priority, built_in, added_at)
    select 3 + row_number() over (order by name), case when same > 1 then name || '.' || same || '.' || place else name end, lower(case when same > 1 then name || '.' || same || '.' || place else name end),
           case when rule like 'host:_%' then 'host startsWith "' || replace(replace(substr(rule, 6), '\', '\\'), '"', '\"') || '"'
                when rule like 'system:_%' then 'os startsWith "' || replace(replace(substr(rule, 8), '\', '\\'), '"', '\"') || '"'
                when rule like 'model:_%' then 'model startsWith "' || replace(replace(substr(rule, 7), '\', '\\'), '"', '\"') || '"'
                when rule like 'token:_%' then 'token startsWith "' || replace(replace(substr(rule, 7), '\', '\\'), '"', '\"') || '"' end,
           priority, 0, added_at
    from (select name, rule, priority, added_at, row_number() over (partition by lower(name) order by name) as same, row_number() over (order by name) as place from client_group) g;
insert into collection_static (collection_id, device_id)
    select c.collection_id, m.device_id
    from client_group_member m
    join (select name, row_number() over (order by name) as place from client_group) g on g.name = m.group_name
    join collection c on c.collection_id = 3 + g.place;
update client_setting set scope = 'collection:' || (
    select c.name from collection c join (select name, row_number() over (order by name) as place from client_group) g on c.collection_id = 3 + g.place
    where 'group:' || g.name = client_setting.scope)
    where scope in (select 'group:' || name from client_group);
delete from client_setting where scope like 'group:%';
drop table client_group_member;
drop table client_group;

-- What queries ask of a device, folded for comparison, and the raw values that it was made from.
create table device_fact (
    device_number bigint primary key,
    source text not null,
    hardware_at bigint,
    addresses text not null,
    host text,
    os text,
    platform text,
    model text,
    manufacturer text,
    architecture text,
    kernel text,
    virtualization text,
    agent text,
    token text,
    disk_free_bytes bigint,
    disk_size_bytes bigint,
    threads bigint
);

-- Addresses as texts that sort as the addresses do.
create table device_address (
    device_number bigint not null,
    address_key text not null,
    primary key (device_number, address_key)
) {clustered};

-- Folded name, and a form of the version that sorts as its package system compares. Null until the next evaluation.
alter table package add column name_key text;
alter table package add column version_key text;
create index package_by_name_key on package (name_key);
