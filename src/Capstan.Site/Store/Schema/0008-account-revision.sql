-- The revision of the connection accounts with which an account came; 0 for those of before.
alter table cap_account add column revision bigint not null default 0;
-- The revision that a device has, by its last heartbeat; null while it has told none.
alter table device add column accounts_revision bigint;
