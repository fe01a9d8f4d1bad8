-- Packages and the content of their versions. Id: random, never used again. Last version: numbers of versions that were removed are not given again;
-- last epoch: a restored site leaves a gap, since it may not remember all that it has given out.
create table content_package (
    package_id text primary key,
    name text not null,
    name_key text not null unique,
    last_version bigint not null,
    last_epoch bigint not null,
    created_at bigint not null
);

-- Manifest: the target as it is signed. Native: what a Debian or RPM package in it says of itself, as JSON.
create table content_version (
    package_id text not null,
    version bigint not null,
    size_bytes bigint not null,
    file_count bigint not null,
    new_bytes bigint not null,
    tree_sha256 text not null,
    manifest {bytes} not null,
    native text,
    added_at bigint not null,
    primary key (package_id, version)
);

-- Files content/packs/<aa>/<sha256>. Unused since: no version names it; null while one does.
create table content_pack (
    number bigint primary key,
    sha256 text not null unique,
    length_bytes bigint not null,
    added_at bigint not null,
    unused_since bigint
);

create table version_pack (
    package_id text not null,
    version bigint not null,
    pack bigint not null,
    primary key (package_id, version, pack)
) {clustered};
create index version_pack_by_pack on version_pack (pack);

-- Where each chunk lies, by the SHA-256 of its plain bytes.
create table content_chunk (
    hash {bytes} primary key,
    pack bigint not null,
    offset_bytes bigint not null,
    stored_bytes integer not null,
    length_bytes integer not null
) {clustered};

-- How the writing of packs to a CAP goes. Missing: what it lacked when it was last looked at.
create table cap_content (
    cap text primary key,
    packs bigint not null default 0,
    missing_packs bigint not null default 0,
    missing_bytes bigint not null default 0,
    looked_at bigint,
    failures bigint not null default 0,
    failing_since bigint,
    next_try bigint,
    error_code text,
    last_error text
);
