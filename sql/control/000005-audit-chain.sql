-- The audit log's records are chained: each carries a hash over itself and the hash of its predecessor in its instance's
-- chain. Signatures vouch for a chain's end and for what retention took out of it; the key that signs is sealed.

alter table postern.audit_log
  add column schema text,
  add column trace_id text,
  -- the id of the credential that was shown, never the secret
  add column credential text,
  add column tool text,
  -- the same for statements that differ in constants alone
  add column fingerprint text,
  -- SHA-256; null: from before there was a chain
  add column hash bytea;

-- a chain is walked in this order
create index on postern.audit_log (instance, sequence);

-- Ed25519. The public key is for those who verify without the master key.
create table postern.audit_key (
  number integer primary key,
  public_key text not null,
  private_key_sealed text not null,
  created_at timestamptz not null default now()
);

-- How far a chain goes: set in the transaction that adds the records. What is missing below it was removed.
create table postern.audit_head (
  instance text primary key,
  sequence bigint not null,
  hash bytea not null,
  key integer not null references postern.audit_key,
  signature bytea not null,
  changed_at timestamptz not null default now()
);

-- A run of records that retention dropped: it goes on from the hash "previous" and ends with "hash".
create table postern.audit_checkpoint (
  instance text not null,
  first_sequence bigint not null,
  last_sequence bigint not null,
  records bigint not null,
  previous bytea not null,
  hash bytea not null,
  key integer not null references postern.audit_key,
  signature bytea not null,
  made_at timestamptz not null default now(),
  primary key (instance, first_sequence, last_sequence)
);

create index on postern.audit_checkpoint (instance, previous);

-- Heads only go forward.
create function postern.advance_audit_head(chain text, sequence bigint, hash bytea, key integer, signature bytea) returns void
language sql strict security definer set search_path = pg_catalog, pg_temp as $$
  insert into postern.audit_head as head (instance, sequence, hash, key, signature)
  values (chain, advance_audit_head.sequence, advance_audit_head.hash, advance_audit_head.key, advance_audit_head.signature)
  on conflict (instance) do update
    set sequence = excluded.sequence, hash = excluded.hash, key = excluded.key, signature = excluded.signature, changed_at = now()
    where head.sequence < excluded.sequence
$$;

-- The chain 'control' has the records that are written in the transaction of what they tell of. Whoever adds to it holds
-- this lock until he commits, so its order is that of the commits.
create function postern.lock_audit_control(out sequence bigint, out hash bytea)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(7219, 3);
  select head.sequence, head.hash into lock_audit_control.sequence, lock_audit_control.hash
    from postern.audit_head as head where head.instance = 'control';
  if lock_audit_control.sequence is null then
    select coalesce(max(log.sequence), 0) into lock_audit_control.sequence
      from postern.audit_log as log where log.instance = 'control';
  end if;
end
$$;

drop sequence postern.audit_control_sequence;

grant select, insert on postern.audit_key to postern_service;
revoke execute on function postern.advance_audit_head(text, bigint, bytea, integer, bytea) from public;
revoke execute on function postern.lock_audit_control() from public;
grant execute on function postern.advance_audit_head(text, bigint, bytea, integer, bytea), postern.lock_audit_control()
  to postern_service;
