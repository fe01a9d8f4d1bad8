-- Packs on CAPs that no row of the site knows, and since when they were seen there: after a restore, what was published since the backup.
create table cap_stray (
    cap text not null,
    pack text not null,
    since bigint not null,
    primary key (cap, pack)
) {clustered};

-- Versions that wait for a CAP that has all of their packs, and since when. A client is not sent to what is not there yet.
create table content_waiting (
    package_id text not null,
    version bigint not null,
    since bigint not null,
    primary key (package_id, version)
) {clustered};

-- Advertisements of which some revision was signed: one whose content no CAP has whole yet is not listed in policies before.
create table advertisement_signed (
    advertisement_id text primary key
);
insert into advertisement_signed (advertisement_id) select advertisement_id from advertisement;
