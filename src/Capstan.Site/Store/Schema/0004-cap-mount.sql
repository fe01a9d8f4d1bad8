-- Where the folder of a LOCAL CAP was mounted when it was last used: what lies there while that is not mounted is not the CAP.
alter table cap add column mounted_at text;
