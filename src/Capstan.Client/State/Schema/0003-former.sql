-- Under which numbers and hashes a record was written before it was signed again, as 'sequence:hash' with blanks between: a site may have it as one of them.
alter table record add column former text not null default '';
