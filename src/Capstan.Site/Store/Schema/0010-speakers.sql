-- Who spoke under an identity, oldest first (JSON: nonce, instance), and which of them were told to make their own (JSON: names).
alter table device add column speakers text not null default '[]';
alter table device add column newcomers text not null default '[]';
