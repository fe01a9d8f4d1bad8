-- Figures of each advertisement over the members of its collection, kept by whatever changes one of them: a list of advertisements counts nothing.
create table advertisement_count (
    advertisement_id text primary key,
    -- Members that have reported it.
    reported bigint not null,
    has_content bigint not null,
    ran bigint not null,
    succeeded bigint not null,
    failed bigint not null,
    running bigint not null,
    waiting bigint not null,
    -- Members of which the site has heard an end since counts_from, and those that did not end well.
    ended_since bigint not null,
    failed_since bigint not null
);
insert into advertisement_count (advertisement_id, reported, has_content, ran, succeeded, failed, running, waiting, ended_since, failed_since)
    select a.advertisement_id, count(s.device_number), count(s.at_content), count(s.at_run),
           coalesce(sum(case when s.state in ('succeeded', 'pending-reboot') then 1 else 0 end), 0), coalesce(sum(case when s.state in ('failed', 'unknown') then 1 else 0 end), 0),
           coalesce(sum(case when s.state = 'running' then 1 else 0 end), 0), coalesce(sum(case when s.state in ('received', 'waiting', 'downloading', 'ready') then 1 else 0 end), 0),
           coalesce(sum(case when s.heard_end >= a.counts_from then 1 else 0 end), 0), coalesce(sum(case when s.heard_end >= a.counts_from and s.state in ('failed', 'unknown') then 1 else 0 end), 0)
    from advertisement a
    left join (select t.*, m.collection_id from advertisement_state t join collection_member m on m.device_number = t.device_number) s
         on s.advertisement_id = a.advertisement_id and s.collection_id = a.collection_id
    group by a.advertisement_id;

-- Not told: the device's last report leaves it out, which of one that was removed means that it has forgotten it.
alter table advertisement_state add column is_told integer not null default 1;

-- 1 while a device's signed policy lists an advertisement that it has not reported.
alter table device add column offers_behind integer not null default 0;
update device set offers_behind = 1 where exists (
    select 1 from advertisement a where a.ended_at is null and device.advertisements like '%"' || a.advertisement_id || '"%'
    and not exists (select 1 from advertisement_state s where s.advertisement_id = a.advertisement_id and s.device_number = device.number));
create index device_by_offers_behind on device (number) where offers_behind = 1;

-- How many are in a collection.
alter table collection add column members bigint not null default 0;
update collection set members = (select count(*) from collection_member m where m.collection_id = collection.collection_id);
-- How many have come by the query alone since: within a day so many that more have to be confirmed where something is offered.
alter table collection add column came bigint not null default 0;
alter table collection add column came_since bigint not null default 0;
-- Since when the members stay as they are, because too many would come or lose what they have; null for not. How many would come, and how many would remove what was installed.
alter table collection add column held_since bigint;
alter table collection add column held_coming bigint not null default 0;
alter table collection add column held_removals bigint not null default 0;
