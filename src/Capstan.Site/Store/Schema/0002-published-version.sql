-- The version that a file was published with: what a CAP lacks that shows an earlier one.
alter table published_file add column version bigint not null default 0;
create index published_file_by_version on published_file (version);
