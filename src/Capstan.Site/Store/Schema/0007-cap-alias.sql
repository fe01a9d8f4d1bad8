-- Other names of the server of a CAP, as a JSON array: clients must not count one server as two.
alter table cap add column alias_names text not null default '[]';
