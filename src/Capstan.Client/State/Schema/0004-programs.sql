-- oldest: 3
-- Advertisements of policies, as they were verified; one that no policy lists any more stays until what it did is removed. Times are Unix milliseconds.
create table advertisement (
    id text primary key,
    sha256 text not null,
    content blob not null,
    received_at integer not null,
    -- What of its package documents could not be had; null when all are here.
    missing text,
    -- The site's epoch in which a policy listed it last, and since when none does; withdrawn_at null while one does.
    listed_epoch integer not null default 0,
    withdrawn_at integer,
    -- A person asked for it, postponed it; those who were logged on were told.
    is_asked integer not null default 0,
    postponed_until integer,
    postponements integer not null default 0,
    noticed_at integer,
    -- Why its content is not here; content_retry_at null with a cause: not before another order.
    content_cause text,
    content_retry_at integer,
    -- What was decided last, for those who read beside the client.
    state text not null,
    cause text,
    reason text,
    since integer not null,
    next_try integer,
    here_bytes integer,
    total_bytes integer,
    source text
) strict, without rowid;

-- Package manifests, as they were verified; they never change.
create table package_manifest (
    package_id text not null,
    package_version integer not null,
    content blob not null,
    primary key (package_id, package_version)
) strict, without rowid;

-- Every run of a program. id is its directory below programs/; outcome null: nobody knows yet.
create table program_run (
    id text primary key,
    package_id text not null,
    program text not null,
    number integer not null,
    package_version integer not null,
    advertisement_id text not null,
    revision integer not null,
    occasion integer not null,
    is_removal integer not null,
    rules blob not null,
    boot_id text not null,
    started_at integer not null,
    ended_at integer,
    outcome text,
    exit_code integer,
    output text,
    unique (package_id, program, number)
) strict, without rowid;
