-- Where a client went that said its last word, and when it was taken in. Its next record takes both back.
alter table device add column moved_to text;
alter table device add column moved_at integer;
