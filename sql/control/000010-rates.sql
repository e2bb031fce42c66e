-- Calls counted in windows of a minute, an hour or a day, where processes share a limit without Redis. Not worth a
-- write-ahead log: after a crash of the server every process says anew what it has had.

create unlogged table postern.call_count (
  key varchar(255) primary key,
  points integer not null default 0,
  -- milliseconds since the epoch, some time after the window's end
  expire bigint
);

create index on postern.call_count (expire);

grant select, insert, update, delete on postern.call_count to postern_service;

-- proven: served while every lock holds. owner-login: the caller's own login, which may write, served behind the guard and
-- read-only transactions alone.
alter table postern.database
  add column trust text not null default 'proven' check (trust in ('proven', 'owner-login'));
