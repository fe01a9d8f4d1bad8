-- What the last revision of a receipts bin says, so that the same content has one revision on every CAP.
alter table receipt_bin add column content_sha256 text;
