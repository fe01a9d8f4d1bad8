-- Orders to one device that its policy carries, by number: a new sealing key, and a report about itself; and what it answered.
alter table device add column rekey_order bigint;
alter table device add column rekeyed_at bigint;
alter table device add column diagnose_order bigint;

create table device_report (
    device_number bigint primary key,
    document text not null,
    received_at bigint not null
);
