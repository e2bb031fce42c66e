-- One object at least of every kind that a client's catalog queries ask about. Run by the owner, schema crm first on the path.
create type mood as enum ('sad', 'ok', 'happy');
create domain email as text check (value like '%@%');
create type address as (street text, zip varchar(10), moods mood[]);
create type span as range (subtype = float8, subtype_diff = float8mi);
create sequence ticket_numbers start 100 increment 5;
create collation backwards (provider = libc, locale = 'C');

create table customers (
  id integer generated always as identity primary key,
  name text not null,
  contact email unique,
  feeling mood default 'ok',
  home address,
  tags text[] not null default '{}',
  profile jsonb not null default '{}',
  balance numeric(12, 2) not null default 0 check (balance >= 0),
  seen tstzrange,
  code varchar(12) collate "C"
);
create index customers_tags_idx on customers using gin (tags);
create index customers_lower_idx on customers (lower(name)) where balance > 0;
comment on table customers is 'Who buys. Über alles: größer.';
comment on column customers.balance is 'in EUR';
alter table customers alter tags set statistics 200;
alter table customers alter profile set storage external;

create table orders (
  id bigserial primary key,
  customer_id integer not null references customers on delete cascade,
  placed_at timestamptz not null default now(),
  total numeric(12, 2),
  doubled numeric(12, 2) generated always as (total * 2) stored,
  note text,
  constraint orders_total_positive check (total > 0),
  unique (customer_id, placed_at)
);
create table order_lines (
  order_id bigint references orders,
  line smallint,
  during int4range,
  primary key (order_id, line),
  exclude using gist (during with &&)
);
create statistics orders_statistics (ndistinct, dependencies) on customer_id, total from orders;

create table events (at date not null, what text) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01') partition by list (what);
create table events_2025_other partition of events_2025 default;
create index events_at_idx on events (at);
create table parents (a integer);
create table children (b integer) inherits (parents);
create unlogged table scratch (a integer) with (fillfactor = 70);

create view rich_customers with (security_barrier) as select id, name, balance from customers where balance > 100;
create view checked as select id, name from customers where id > 0 with cascaded check option;
create rule no_insert as on insert to rich_customers do instead nothing;
create materialized view sums as select customer_id, sum(total) as total from orders group by 1;
create unique index sums_key on sums (customer_id);
comment on view rich_customers is 'more than 100';

create function add(a integer, b integer default 1) returns integer language sql immutable as 'select a + b';
comment on function add is 'a and b';
create function touched() returns trigger language plpgsql as $$ begin
  return new;
end $$;
create procedure nothing(inout x integer) language sql as 'select x';
create aggregate product(float8) (sfunc = float8mul, stype = float8, initcond = 1);
create operator === (leftarg = integer, rightarg = integer, function = int4eq);
comment on operator === (integer, integer) is 'just as equal';
create trigger orders_touched before update on orders for each row execute function touched();
create text search dictionary plain (template = simple);
create text search configuration plain_english (copy = english);
comment on text search configuration plain_english is 'English';
create conversion latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;

alter table order_lines enable row level security;
create policy own_lines on order_lines for select to public using (line > 0);
alter default privileges in schema crm grant select on tables to public;

insert into customers (name, contact, feeling, home, tags, profile, balance, seen)
  select 'customer ' || i, 'c' || i || '@acme.example', (array['sad', 'ok', 'happy'])[1 + i % 3]::mood,
         row('street ' || i, i::text, '{sad,happy}')::address, array['t' || i % 3, 'ä'],
         jsonb_build_object('n', i, 'list', jsonb_build_array(i, null, 'x')), i * 10.5,
         tstzrange('2024-01-01 00:00+00', '2024-01-02 00:00+00')
    from generate_series(1, 50) i;
insert into orders (customer_id, placed_at, total, note)
  select 1 + i % 50, '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', 1 + i % 100,
         case when i % 2 = 0 then repeat('n', i % 7) end
    from generate_series(1, 5000) i;
insert into order_lines select i, 1, int4range(i, i + 1) from generate_series(1, 100) i;
insert into events select '2024-06-01'::date + i, 'event ' || i from generate_series(1, 300) i;
refresh materialized view sums;
