-- Whose identity a device had before it was told to make its own: the first of all whose copies it is of. Null for a device that came by itself.
alter table device add column origin text;
create index device_by_origin on device (origin);
update device set origin = substr(token_label, 9) where token_label like 'copy of %' and substr(token_label, 9) in (select device_id from device);
-- The latest epoch beyond the site's for which it has signed. What was believed of one device alone is asked for again.
alter table device add column epoch_signed bigint;
delete from setting where name = 'epoch-seen';
