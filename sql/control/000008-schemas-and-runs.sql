-- Schemas that users make for themselves, and what fills them: connectors, pipelines, runs.

-- Whether users may make schemas in an external database; in a managed one they always may.
alter table postern.database add column provision boolean not null default false;

-- The truth about a provisioned schema. Rows stay when the schema is gone: what is known of it by name finds it again.
create table postern.tenant_schema (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  database_id uuid not null references postern.database on delete cascade,
  -- null: its owner is gone, and the tenant's admins look after it
  principal_id uuid references postern.principal on delete set null,
  -- the owner's login name, as it was
  owner text not null,
  -- the real name, on the server
  name text not null,
  purpose text not null check (purpose <> ''),
  -- read by its owner alone
  private boolean not null default false,
  -- does not expire
  pinned boolean not null default false,
  state text not null check (state in ('provisioning', 'active', 'materializing', 'expired', 'teardown', 'failed')),
  -- what the schema was dropped for, or is being dropped for
  ended_by text check (ended_by in ('unused', 'teardown', 'lost')),
  -- of whoever makes or drops it just now: he stops where it is not his any more
  claim uuid,
  ttl_seconds integer not null check (ttl_seconds > 0),
  error text,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  last_accessed_at timestamptz not null default now(),
  unique (database_id, name),
  unique (database_id, principal_id, purpose)
);

create index on postern.tenant_schema (tenant_id);
create index on postern.tenant_schema (last_accessed_at) where state = 'active' and not pinned;

-- A use alone is no change that anybody must hear of.
create trigger bump_config_version after insert or delete or truncate or update of state, private, principal_id
  on postern.tenant_schema for each statement execute function postern.bump_config_version();

-- A tenant's connection to a source.
create table postern.connector (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  name text not null check (name <> ''),
  -- of the registry of connector types
  type text not null check (type <> ''),
  state text not null default 'not_connected' check (state in ('connected', 'not_connected', 'expired')),
  created_at timestamptz not null default now(),
  unique (tenant_id, name)
);

create table postern.connector_credential (
  id uuid primary key,
  connector_id uuid not null references postern.connector on delete cascade,
  kind text not null check (kind <> ''),
  secret_sealed text not null,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  unique (connector_id, kind)
);

-- What a connector is asked for when a pipeline runs with it: entities, date range, schedule …
create table postern.pipeline_config (
  id uuid primary key,
  connector_id uuid not null references postern.connector on delete cascade,
  pipeline text not null check (pipeline <> ''),
  knobs jsonb not null default '{}',
  changed_by text,
  changed_at timestamptz not null default now(),
  unique (connector_id, pipeline)
);

create table postern.run (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  database_id uuid not null references postern.database on delete cascade,
  -- the schema that it fills, by its real name; and where that was provisioned, which
  schema text not null,
  tenant_schema_id uuid references postern.tenant_schema on delete set null,
  pipeline text not null,
  connector_id uuid references postern.connector on delete set null,
  principal_id uuid references postern.principal on delete set null,
  requested_by text not null,
  idempotency_key text,
  entities text[],
  params jsonb not null default '{}',
  state text not null default 'queued' check (state in
    ('queued', 'discovering', 'loading', 'transforming', 'swapping', 'succeeded', 'partial', 'failed', 'cancelled')),
  -- what it is doing just now, in words
  step text,
  rows bigint not null default 0,
  bytes bigint not null default 0,
  error_code text,
  error text,
  cancel_requested_at timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  check ((state in ('succeeded', 'partial', 'failed', 'cancelled')) = (ended_at is not null))
);

-- One run of a schema at a time, whoever starts it and however.
create unique index run_of_schema on postern.run (database_id, schema) where ended_at is null;
create unique index run_idempotency on postern.run (tenant_id, principal_id, idempotency_key) where idempotency_key is not null;
create index on postern.run (tenant_id, created_at);
create index on postern.run (tenant_schema_id, created_at);

create table postern.run_step (
  run_id uuid not null references postern.run on delete cascade,
  position integer not null,
  phase text not null check (phase in ('discovering', 'loading', 'transforming', 'swapping')),
  name text not null,
  state text not null check (state in ('running', 'succeeded', 'failed', 'skipped', 'cancelled')),
  rows bigint not null default 0,
  bytes bigint not null default 0,
  error text,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (run_id, position)
);

-- What a run has said, oldest first.
create table postern.run_log (
  run_id uuid not null references postern.run on delete cascade,
  position bigint generated always as identity,
  time timestamptz not null default now(),
  line text not null,
  primary key (run_id, position)
);

-- Who works on a run, and until when he is believed to live.
create table postern.lease (
  run_id uuid primary key references postern.run on delete cascade,
  holder text not null,
  expires_at timestamptz not null
);

create view postern.runs as
  select r.id, t.name as tenant, d.alias as database, r.pipeline, c.name as connector, r.schema, r.state, r.step, r.rows,
    r.bytes, r.requested_by, r.created_at, r.started_at, r.ended_at, r.error
  from postern.run r
    join postern.tenant t on t.id = r.tenant_id
    join postern.database d on d.id = r.database_id
    left join postern.connector c on c.id = r.connector_id;

create view postern.run_steps as
  select s.run_id, s.position, s.phase, s.name, s.state, s.rows, s.bytes, s.error, s.started_at, s.ended_at
  from postern.run_step s;

grant select, insert, update, delete on
  postern.tenant_schema, postern.connector, postern.connector_credential, postern.pipeline_config, postern.run,
  postern.run_step, postern.run_log, postern.lease
  to postern_service;
grant select on postern.runs, postern.run_steps to postern_service;
