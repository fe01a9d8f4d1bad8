-- What this device used of the site's CAPs and has not put into a report yet: one row for a CAP and hour (Unix seconds).
create table cap_use (
    path text not null,
    hour integer not null,
    connections integer not null,
    held_ms integer not null,
    refused integer not null,
    primary key (path, hour)
) strict, without rowid;
