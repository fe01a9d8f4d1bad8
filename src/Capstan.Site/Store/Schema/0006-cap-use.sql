-- What clients reported of a CAP, added up. Hours are Unix seconds, by the devices' clocks.
create table cap_hour (
    cap text not null,
    hour bigint not null,
    connections bigint not null,
    held_ms bigint not null,
    refused bigint not null,
    primary key (cap, hour)
) {clustered};

-- Which devices were served by a CAP, and when that was reported last: what a per-seat licence counts.
create table cap_device (
    cap text not null,
    device_number bigint not null,
    reported_at bigint not null,
    primary key (cap, device_number)
) {clustered};

-- What is published of a CAP's pace, and what was last said about its limit.
create table cap_pace (
    cap text primary key,
    mean_hold_ms bigint not null,
    poll_seconds bigint not null,
    level text not null default 'ok'
);
