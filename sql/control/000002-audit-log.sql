-- The audit log: one row per record, partitioned by month (UTC). No foreign keys: it outlives what it speaks of.

create table postern.audit_log (
  time timestamptz not null,
  -- a record's place in the spool that it came from; unique together, so that a batch may be sent twice
  instance text not null,
  sequence bigint not null,
  kind text not null,
  door text not null,
  principal_id uuid,
  principal text,
  tenant_id uuid,
  tenant text,
  database text,
  session text not null,
  request_id text not null,
  statement_kind text,
  statement_text text,
  text_hash text,
  text_bytes integer,
  relations text[],
  verdict text,
  reason text,
  sqlstate text,
  rows bigint,
  bytes bigint,
  wait_ms double precision,
  run_ms double precision,
  address text,
  application_name text,
  detail jsonb,
  primary key (time, instance, sequence)
) partition by range (time);

create index on postern.audit_log (tenant, time);

-- Sequence numbers of records that are written in the transaction of what they tell of (instance 'control').
create sequence postern.audit_control_sequence;

-- Makes the partitions of all months that [first, last] touches. Owned by the owner of the log, so that the service,
-- which may only INSERT, need own nothing.
create function postern.prepare_audit_log(first timestamptz, last timestamptz) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  month timestamp := date_trunc('month', first at time zone 'UTC');
  partition text;
  made integer := 0;
begin
  if first is null or last is null or last - first > interval '400 days' then
    raise exception using errcode = '22023', message = 'prepare_audit_log makes at most 13 months at once';
  end if;
  while month <= last at time zone 'UTC' loop
    partition := 'audit_log_' || to_char(month, 'YYYY_MM');
    if to_regclass(format('postern.%I', partition)) is null then
      perform pg_advisory_xact_lock(7219, 2);
      -- made apart and attached, which holds up neither readers nor writers of the log
      if to_regclass(format('postern.%I', partition)) is null then
        execute format('create table postern.%I (like postern.audit_log including defaults including constraints)', partition);
        execute format('alter table postern.audit_log attach partition postern.%I for values from (%L) to (%L)',
          partition, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
        made := made + 1;
      end if;
    end if;
    month := month + interval '1 month';
  end loop;
  return made;
end
$$;

select postern.prepare_audit_log(now(), now() + interval '1 month');
