-- Tenants, their databases, and who may come in. Every key is a UUID v7 made by the program: uuidv7() exists from 18 only.

create table postern.tenant (
  id uuid primary key,
  name text not null unique check (name <> '' and position('@' in name) = 0),
  -- for agents, shown by the MCP door
  instructions text,
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);

-- A Postgres cluster, with the credentials of the provisioner where there are any.
create table postern.server (
  id uuid primary key,
  name text not null unique,
  -- a private server was described together with its one database and goes with it
  private boolean not null default false,
  -- host name, address or absolute path of a socket folder
  host text not null,
  port integer not null check (port between 1 and 65535),
  tls_mode text not null check (tls_mode in ('disable', 'prefer', 'require', 'verify-ca', 'verify-full')),
  tls_ca text,
  -- the database that the provisioner connects to where none of a tenant is meant
  maintenance_database text not null default 'postgres',
  provisioner_login text,
  provisioner_password_sealed text,
  created_at timestamptz not null default now()
);

create table postern.database (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant,
  server_id uuid not null references postern.server,
  -- what a client names in its StartupMessage
  alias text not null check (alias <> ''),
  kind text not null check (kind in ('managed', 'external')),
  -- the real name, on the server
  dbname text not null,
  -- the tenant's schemas, the first the default
  schemas text[] not null check (cardinality(schemas) > 0),
  -- globs "schema.name"; null: every table of the schemas
  allowed_tables text[],
  excluded_tables text[] not null default '{}',
  -- "schema.name" of the tenant's own functions and foreign tables that may be used
  functions text[] not null default '{}',
  foreign_tables text[] not null default '{}',
  pooling text not null default 'transaction' check (pooling in ('transaction', 'session')),
  -- roles that the provisioner made; null where it made none
  owner_role text,
  live_role text,
  -- null: a managed database that is not made yet
  provisioned_at timestamptz,
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  unique (tenant_id, alias)
);

create index on postern.database (server_id, dbname);

-- A reader role of a database and the gate login that can become it, and nothing else.
create table postern.reader (
  id uuid primary key,
  database_id uuid not null references postern.database on delete cascade,
  name text not null default 'reader',
  gate_login text not null,
  gate_password_sealed text not null,
  -- null: the login is its own reader (an external database that is used as it is)
  reader_role text,
  created_at timestamptz not null default now(),
  unique (database_id, name)
);

create table postern.principal (
  id uuid primary key,
  name text not null check (name <> ''),
  kind text not null default 'person' check (kind in ('person', 'service')),
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);

create table postern.membership (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant,
  principal_id uuid not null references postern.principal on delete cascade,
  -- what stands before the last @ of a login name
  login text not null check (login <> ''),
  role text not null check (role in ('viewer', 'analyst', 'admin')),
  created_at timestamptz not null default now(),
  unique (tenant_id, login),
  unique (tenant_id, principal_id)
);

create index on postern.membership (principal_id);

create table postern.credential (
  id uuid primary key,
  principal_id uuid not null references postern.principal on delete cascade,
  kind text not null check (kind in ('scram')),
  -- scram: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, as in pg_authid.rolpassword
  secret text not null,
  created_at timestamptz not null default now()
);

create unique index on postern.credential (principal_id) where kind = 'scram';

-- One limit set for a tenant, one of its databases or one of its principals: the later of these wins.
create table postern.limit_override (
  id uuid primary key,
  tenant_id uuid references postern.tenant on delete cascade,
  database_id uuid references postern.database on delete cascade,
  principal_id uuid references postern.principal on delete cascade,
  -- as in the configuration: rowsMax, statementTimeoutMs …
  name text not null,
  value jsonb not null,
  created_at timestamptz not null default now(),
  check (num_nonnulls(tenant_id, database_id, principal_id) = 1)
);

create unique index on postern.limit_override (tenant_id, name) where tenant_id is not null;
create unique index on postern.limit_override (database_id, name) where database_id is not null;
create unique index on postern.limit_override (principal_id, name) where principal_id is not null;

-- One row. Its number grows with every transaction that changes a table above, and its lock puts them in order.
create table postern.config_version (
  id boolean primary key default true check (id),
  version bigint not null default 0,
  changed_at timestamptz not null default now()
);

insert into postern.config_version default values;

create function postern.bump_config_version() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  bumped bigint;
begin
  update postern.config_version set version = version + 1, changed_at = now() returning version into bumped;
  perform pg_notify('postern_config', bumped::text);
  return null;
end
$$;

do $$
declare
  changed text;
begin
  foreach changed in array array['tenant', 'server', 'database', 'reader', 'principal', 'membership', 'credential', 'limit_override'] loop
    execute format(
      'create trigger bump_config_version after insert or update or delete or truncate on postern.%I
         for each statement execute function postern.bump_config_version()', changed);
  end loop;
end
$$;
