-- Programs of packages: a command line with its rules, as JSON (ProgramRules). First: the program that has to have succeeded before.
create table program (
    package_id text not null,
    name text not null,
    name_key text not null,
    rules text not null,
    first_package text,
    first_name text,
    created_at bigint not null,
    changed_at bigint not null,
    primary key (package_id, name_key)
);

-- Offers of programs to collections. Document: the signed target as JSON, with its revision. Pending: it waits to be signed. Ended: it was removed; the row keeps what became of it, and its id.
create table advertisement (
    advertisement_id text primary key,
    name text not null,
    package_id text not null,
    program_key text not null,
    -- Null for the newest at each edit.
    package_version bigint,
    collection_id bigint not null,
    document text not null,
    revision bigint not null,
    state text not null,
    expires_at bigint,
    -- Percent of finished machines that may fail; null for any.
    halt_at integer,
    -- Machines that ended before count no more for that: Unix milliseconds by the site's clock.
    counts_from bigint not null,
    pending integer not null,
    created_at bigint not null,
    changed_at bigint not null,
    ended_at bigint
);
create index advertisement_by_collection on advertisement (collection_id);

-- How a device stands with an advertisement, by its last report. Times at_…: Unix milliseconds, by the device's clock but never after the report came; kept for the curve.
create table advertisement_state (
    advertisement_id text not null,
    device_number bigint not null,
    revision bigint not null,
    state text not null,
    cause text,
    reason text,
    since bigint not null,
    next_try bigint,
    here_bytes bigint,
    total_bytes bigint,
    source text,
    run_number bigint,
    run_version bigint,
    started_at bigint,
    ended_at bigint,
    outcome text,
    exit_code integer,
    output text,
    reported_at bigint not null,
    at_received bigint not null,
    at_content bigint,
    at_run bigint,
    at_end bigint,
    -- When the site heard of the end: what the rule for halting counts by.
    heard_end bigint,
    primary key (advertisement_id, device_number)
) {clustered};
create index advertisement_state_by_device on advertisement_state (device_number);

-- Ids of advertisements that the device's signed policy lists, as JSON.
alter table device add column advertisements text not null default '[]';
