-- How principals show themselves, passwords aside: API keys, tokens that Postern signs, and who they are for whom else.

-- An operator wrote it down, or an issuer had verified it. What an issuer calls somebody is linked by it.
alter table postern.principal add column email text check (email <> '');

create unique index on postern.principal (lower(email));

-- Whom another party's tokens mean: OpenID providers, OAuth servers, profile endpoints.
create table postern.identity (
  id uuid primary key,
  principal_id uuid not null references postern.principal on delete cascade,
  issuer text not null check (issuer <> ''),
  subject text not null check (subject <> ''),
  created_at timestamptz not null default now(),
  unique (issuer, subject)
);

create index on postern.identity (principal_id);

create table postern.api_key (
  id uuid primary key,
  tenant_id uuid not null,
  principal_id uuid not null,
  -- what it is for, in its owner's words
  name text not null default '',
  -- SHA-256 of a secret of 256 random bits
  secret_hash bytea not null check (octet_length(secret_hash) = 32),
  -- null: all that the role has
  scopes text[],
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  -- within a minute
  last_used_at timestamptz,
  foreign key (tenant_id, principal_id) references postern.membership (tenant_id, principal_id) on delete cascade
);

create index on postern.api_key (tenant_id, principal_id);

-- Keys with which Postern signs tokens. The newest that is not retired signs, all that are not retired verify.
create table postern.signing_key (
  id uuid primary key,
  algorithm text not null check (algorithm in ('EdDSA')),
  -- a JWK (RFC 7517)
  public_key jsonb not null,
  private_key_sealed text not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz
);

-- Tokens for users that Postern has signed. The id is the token's jti; the token itself is nowhere.
create table postern.user_token (
  id uuid primary key,
  tenant_id uuid not null,
  principal_id uuid not null,
  scopes text[],
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  foreign key (tenant_id, principal_id) references postern.membership (tenant_id, principal_id) on delete cascade
);

create index on postern.user_token (tenant_id, principal_id);

-- Not for last_used_at: that a key is used changes nothing.
create trigger bump_config_version after insert or delete or truncate or update of scopes, expires_at, revoked_at
  on postern.api_key for each statement execute function postern.bump_config_version();

do $$
declare
  changed text;
begin
  foreach changed in array array['identity', 'signing_key', 'user_token'] loop
    execute format(
      'create trigger bump_config_version after insert or update or delete or truncate on postern.%I
         for each statement execute function postern.bump_config_version()', changed);
  end loop;
end
$$;

grant select, insert, update, delete on
  postern.identity, postern.api_key, postern.signing_key, postern.user_token
  to postern_service;
