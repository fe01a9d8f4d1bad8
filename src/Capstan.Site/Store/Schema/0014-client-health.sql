-- When a device's last heartbeat came, when it was made by the device's own clock, and which policy of its own was signed last, when.
alter table device add column heartbeat_at bigint;
alter table device add column heartbeat_made_at bigint;
alter table device add column policy_signed_at bigint;
alter table device add column policy_signed_version bigint;

-- The latest message of each code about a device: what it said of itself, whatever was said by all others since.
create table device_condition (
    device_number bigint not null,
    code text not null,
    severity text not null,
    component text not null,
    text text not null,
    reported_at bigint not null,
    received_at bigint not null,
    repeat_count integer not null,
    primary key (device_number, code)
) {clustered};

insert into device_condition (device_number, code, severity, component, text, reported_at, received_at, repeat_count)
    select device_number, code, severity, component, text, reported_at, received_at, repeat_count from status
    where id in (select max(id) from status where device_number is not null group by device_number, code);
