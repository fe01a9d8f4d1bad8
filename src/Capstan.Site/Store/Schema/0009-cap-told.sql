-- The latest hour of which a device told of a CAP, and what was counted of it: no hour of one device counts for more than one machine can do in it.
create table cap_told (
    cap text not null,
    device_number bigint not null,
    hour bigint not null,
    connections bigint not null,
    held_ms bigint not null,
    refused bigint not null,
    -- The latest hour of which it told a refusal; null for none.
    refused_hour bigint,
    primary key (cap, device_number)
) {clustered};
create index cap_told_by_refusal on cap_told (refused_hour);
