-- When an administrator last asked a device for everything in full: Unix seconds, and always above the one before. Part of its policy.
alter table device add column resync_order bigint;
