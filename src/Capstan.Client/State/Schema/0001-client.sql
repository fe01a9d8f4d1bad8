-- Single values by name: see StateKey.
create table state (
    name text primary key,
    value text not null
) strict, without rowid;

-- Metadata that TUF verified, byte for byte.
create table trust (
    role text primary key,
    metadata blob not null
) strict, without rowid;

-- Documents in force, exactly as they were verified: site, cap-list, policy.
create table document (
    name text primary key,
    version integer not null,
    sha256 text not null,
    content blob not null
) strict, without rowid;

-- What waits to become part of a record; the newest of a kind and code replaces the one before.
create table item (
    kind text not null,
    code text not null,
    body text not null,
    count integer not null,
    urgent integer not null,
    primary key (kind, code)
) strict, without rowid;

-- Signed records that the site has not acknowledged yet; attempts 0 = never written to a CAP.
create table record (
    sequence integer primary key,
    jws text not null,
    hash text not null,
    epoch integer not null,
    recipient text not null,
    kinds text not null,
    attempts integer not null,
    written_at integer
) strict;

-- How each component did when it ran last.
create table component (
    name text primary key,
    state text not null,
    detail text
) strict, without rowid;

-- When regular work was done last: Unix milliseconds, a hint after a restart and nothing more.
create table moment (
    name text primary key,
    at integer not null
) strict, without rowid;
