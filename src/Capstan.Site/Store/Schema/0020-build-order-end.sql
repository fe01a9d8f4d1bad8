-- An order that an administrator has ended, or a restore: nothing of it is published. The row stays, because the next order is above it.
alter table build_order add column ended_at bigint;
