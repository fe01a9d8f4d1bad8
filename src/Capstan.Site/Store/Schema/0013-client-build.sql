-- Files of agent builds, packed by Brotli, by the hash of what they unpack to: one that two builds share is kept once.
create table build_file (
    sha256 text primary key,
    length_bytes bigint not null,
    packed {bytes} not null,
    added_at bigint not null
);

-- Builds that clients may be given. Files: a JSON array as it stands in client/builds.json.
create table build (
    platform text not null,
    version text not null,
    files text not null,
    added_at bigint not null,
    primary key (platform, version)
);

-- What each platform is to run, as it is published. Highest: the newest version that was ever ordered; an older one is an order to go back.
create table build_order (
    platform text primary key,
    version text not null,
    files text not null,
    order_number bigint not null,
    downgrade integer not null,
    spread_seconds integer not null,
    highest text not null,
    ordered_at bigint not null
);
