-- Where the site's machines are (cap ''), and where a CAP is near: ranges of addresses, each in its one text.
create table boundary (
    cap text not null,
    range text not null,
    added_at bigint not null,
    primary key (cap, range)
);
