-- Whence each user has signed in: attempts from elsewhere cannot keep a user waiting there. Of IPv6 addresses the first 64 bits.
create table site_user_place (
    user_name text not null,
    place text not null,
    used_at bigint not null,
    primary key (user_name, place)
);

-- Refusals (outcome 400 and above) are kept by number, what was done by age: neither makes room for the other.
create index audit_refused on audit (id) where outcome >= 400;
create index audit_done on audit (id) where outcome < 400;
