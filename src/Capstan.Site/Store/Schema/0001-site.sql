-- Times: Unix milliseconds, UTC. Documents: JSON as text. The common subset of SQLite and PostgreSQL;
-- {bytes} and {clustered} are filled in by Store/Dialect.cs.

create table setting (
    name text primary key,
    value text not null
);

create table token (
    token_id text primary key,
    label text,
    secret_sha256 text not null,
    uses_left integer not null,
    created_at bigint not null,
    expires_at bigint not null
);

create table device (
    number bigint primary key,
    device_id text not null unique,
    key_id text not null unique,
    signing_key text not null,
    sealing_key text not null,
    bin text not null,
    state text not null,
    ordinal bigint unique,
    -- 1 from approval or retirement until the policy that says so is part of published metadata.
    policy_pending integer not null default 0,
    token_label text,
    install_nonce text not null,
    host_name text not null,
    search_text text not null,
    operating_system text,
    model text,
    memory_bytes bigint,
    package_count integer,
    client_version text,
    policy_version bigint,
    addresses text not null default '[]',
    components text not null default '[]',
    requested_at bigint not null,
    approved_at bigint,
    certificate_until bigint,
    last_seen bigint,
    -- Head of the record chain: what was applied last.
    sequence bigint not null default 0,
    record_hash text not null,
    resync text not null default '[]'
);
create index device_by_host on device (lower(host_name), device_id);
create index device_by_state on device (state);
create index device_by_bin on device (bin);
create index device_by_pending on device (policy_pending);

create table ledger (
    device_number bigint not null,
    sequence bigint not null,
    record_hash text not null,
    -- 'applied', or 'refused' when the record is in quarantine and only its place in the chain was taken.
    outcome text not null,
    applied_at bigint not null,
    primary key (device_number, sequence)
) {clustered};

create table hardware (
    device_number bigint primary key,
    document text not null,
    received_at bigint not null
);

create table software_inventory (
    device_number bigint primary key,
    unread text not null,
    received_at bigint not null
);

-- A package is one row for the whole fleet: '' and -1 stand for "not told", so that the whole row can be unique.
create table package (
    package_id bigint primary key,
    name text not null,
    version text not null,
    arch text not null,
    source text not null,
    publisher text not null,
    summary text not null,
    size_bytes bigint not null,
    unique (name, version, arch, source, publisher, summary, size_bytes)
);

create table device_package (
    device_number bigint not null,
    package_id bigint not null references package (package_id),
    installed_at bigint,
    primary key (device_number, package_id)
) {clustered};

create view software as
    select d.device_id, d.number as device_number, p.name, p.version, p.arch, p.source, p.publisher, p.summary, p.size_bytes, dp.installed_at
    from device_package dp
    join device d on d.number = dp.device_number
    join package p on p.package_id = dp.package_id;

create table status (
    id bigint primary key,
    device_number bigint,
    severity text not null,
    code text not null,
    component text not null,
    text text not null,
    reported_at bigint not null,
    received_at bigint not null,
    repeat_count integer not null
);
create index status_by_device on status (device_number, id);

create table quarantine (
    id bigint primary key,
    cap text not null,
    file_name text not null,
    reason text not null,
    detail text not null,
    length_bytes bigint not null,
    at bigint not null,
    -- File below quarantine/ of the site's directory; null when it was dropped for room.
    kept_as text,
    unique (cap, file_name)
);

create table waiting (
    cap text not null,
    file_name text not null,
    since bigint not null,
    primary key (cap, file_name)
);

create table cap (
    path text primary key,
    licensing text,
    headroom integer not null,
    added_at bigint not null,
    last_published bigint,
    published_version bigint not null default 0,
    last_drained bigint,
    inbox_count integer not null default 0,
    failures integer not null default 0,
    failing_since bigint,
    next_try bigint,
    error_code text,
    last_error text,
    -- The same of the inbox: what fails there slows down no publishing, and the other way round.
    drain_failures integer not null default 0,
    drain_failing_since bigint,
    drain_next_try bigint,
    drain_error_code text,
    drain_last_error text
);

-- Metadata and targets as published, so that any CAP can be filled again from nothing.
create table published_file (
    path text primary key,
    content {bytes} not null,
    is_pointer integer not null,
    published_at bigint not null,
    superseded_at bigint
);

create table publish_state (
    id integer primary key,
    state {bytes} not null,
    version bigint not null
);

create table receipt_bin (
    bin text primary key,
    revision bigint not null
);
