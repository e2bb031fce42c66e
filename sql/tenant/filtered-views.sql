-- Schema postern_catalog: twins of the cluster-wide catalogs that show one database, under the originals' names.
--
-- `{columns <relation>}` becomes the server's own columns of that relation, in their order and under their names and
-- types, so that every major gets its own; `; name = expression` behind it replaces a column, keeping its type. A view over
-- a relation that the server does not have is left out. `{database}` is this database's oid, `{roles}` the oids of roles that
-- own something here or are granted something here, the bootstrap superuser who owns pg_catalog, and the caller's own.
--
-- Every view is a security barrier: else `where datname::int = 1` would be asked of the neighbours' rows too, and its
-- error message name them. They belong to the database's owner role; functions in them still run as the caller.

create or replace view postern_catalog.pg_database with (security_barrier) as
select {columns pg_database} from pg_catalog.pg_database where oid = {database};

create or replace view postern_catalog.pg_tablespace with (security_barrier) as
select {columns pg_tablespace; spcacl = null; spcoptions = null} from pg_catalog.pg_tablespace t
where t.spcname in ('pg_default', 'pg_global')
  or t.oid in (select d.dattablespace from pg_catalog.pg_database d where d.oid = {database})
  or t.oid in (select c.reltablespace from pg_catalog.pg_class c);

-- Settings of other roles may hold secrets (app.jwt_secret), so only the caller's own are shown.
create or replace view postern_catalog.pg_roles with (security_barrier) as
select {columns pg_roles; rolconfig = case when rolname in (current_user, session_user) then rolconfig end}
from pg_catalog.pg_roles where oid in ({roles});

create or replace view postern_catalog.pg_user with (security_barrier) as
select {columns pg_user; useconfig = case when usename in (current_user, session_user) then useconfig end}
from pg_catalog.pg_user where usesysid in ({roles});

create or replace view postern_catalog.pg_group with (security_barrier) as
select {columns pg_group; grolist = array(select m from pg_catalog.unnest(grolist) m where m in ({roles}))}
from pg_catalog.pg_group where grosysid in ({roles});

create or replace view postern_catalog.pg_auth_members with (security_barrier) as
select {columns pg_auth_members} from pg_catalog.pg_auth_members where roleid in ({roles}) and member in ({roles});

create or replace view postern_catalog.pg_db_role_setting with (security_barrier) as
select {columns pg_db_role_setting} from pg_catalog.pg_db_role_setting
where setdatabase in (0, {database})
  and setrole in (select r.oid from pg_catalog.pg_roles r where r.rolname in (current_user, session_user));

create or replace view postern_catalog.pg_shdescription with (security_barrier) as
select {columns pg_shdescription} from pg_catalog.pg_shdescription
where classoid = 'pg_catalog.pg_database'::pg_catalog.regclass and objoid = {database};

create or replace view postern_catalog.pg_shseclabel with (security_barrier) as
select {columns pg_shseclabel} from pg_catalog.pg_shseclabel
where classoid = 'pg_catalog.pg_database'::pg_catalog.regclass and objoid = {database};

create or replace view postern_catalog.pg_seclabels with (security_barrier) as
select {columns pg_seclabels} from pg_catalog.pg_seclabels
where classoid in (select c.oid from pg_catalog.pg_class c where not c.relisshared);

create or replace view postern_catalog.pg_shdepend with (security_barrier) as
select {columns pg_shdepend} from pg_catalog.pg_shdepend where dbid = {database};

create or replace view postern_catalog.pg_parameter_acl with (security_barrier) as
select {columns pg_parameter_acl} from pg_catalog.pg_parameter_acl where false;

create or replace view postern_catalog.pg_replication_origin with (security_barrier) as
select {columns pg_replication_origin} from pg_catalog.pg_replication_origin where false;

create or replace view postern_catalog.pg_subscription with (security_barrier) as
select {columns pg_subscription; subconninfo = null} from pg_catalog.pg_subscription where subdbid = {database};

create or replace view postern_catalog.pg_stat_subscription with (security_barrier) as
select {columns pg_stat_subscription} from pg_catalog.pg_stat_subscription
where subid in (select s.oid from pg_catalog.pg_subscription s where s.subdbid = {database});

create or replace view postern_catalog.pg_stat_subscription_stats with (security_barrier) as
select {columns pg_stat_subscription_stats} from pg_catalog.pg_stat_subscription_stats
where subid in (select s.oid from pg_catalog.pg_subscription s where s.subdbid = {database});

create or replace view postern_catalog.pg_user_mappings with (security_barrier) as
select {columns pg_user_mappings; umoptions = null} from pg_catalog.pg_user_mappings;

-- Sessions of the caller's own login in this database; what they run is hidden from the reader by Postgres itself.
create or replace view postern_catalog.pg_stat_activity with (security_barrier) as
select {columns pg_stat_activity} from pg_catalog.pg_stat_activity where datid = {database} and usename = session_user;

create or replace view postern_catalog.pg_stat_ssl with (security_barrier) as
select {columns pg_stat_ssl} from pg_catalog.pg_stat_ssl
where pid in (select a.pid from pg_catalog.pg_stat_activity a where a.datid = {database} and a.usename = session_user);

create or replace view postern_catalog.pg_stat_gssapi with (security_barrier) as
select {columns pg_stat_gssapi} from pg_catalog.pg_stat_gssapi
where pid in (select a.pid from pg_catalog.pg_stat_activity a where a.datid = {database} and a.usename = session_user);

create or replace view postern_catalog.pg_stat_replication with (security_barrier) as
select {columns pg_stat_replication} from pg_catalog.pg_stat_replication where false;

create or replace view postern_catalog.pg_replication_slots with (security_barrier) as
select {columns pg_replication_slots} from pg_catalog.pg_replication_slots where database = pg_catalog.current_database();

create or replace view postern_catalog.pg_prepared_xacts with (security_barrier) as
select {columns pg_prepared_xacts} from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database();

create or replace view postern_catalog.pg_locks with (security_barrier) as
select {columns pg_locks} from pg_catalog.pg_locks where database = {database};

create or replace view postern_catalog.pg_stat_database with (security_barrier) as
select {columns pg_stat_database} from pg_catalog.pg_stat_database where datid = {database};

create or replace view postern_catalog.pg_stat_database_conflicts with (security_barrier) as
select {columns pg_stat_database_conflicts} from pg_catalog.pg_stat_database_conflicts where datid = {database};

create or replace view postern_catalog.pg_stat_progress_analyze with (security_barrier) as
select {columns pg_stat_progress_analyze} from pg_catalog.pg_stat_progress_analyze where datid = {database};

create or replace view postern_catalog.pg_stat_progress_cluster with (security_barrier) as
select {columns pg_stat_progress_cluster} from pg_catalog.pg_stat_progress_cluster where datid = {database};

create or replace view postern_catalog.pg_stat_progress_copy with (security_barrier) as
select {columns pg_stat_progress_copy} from pg_catalog.pg_stat_progress_copy where datid = {database};

create or replace view postern_catalog.pg_stat_progress_create_index with (security_barrier) as
select {columns pg_stat_progress_create_index} from pg_catalog.pg_stat_progress_create_index where datid = {database};

create or replace view postern_catalog.pg_stat_progress_vacuum with (security_barrier) as
select {columns pg_stat_progress_vacuum} from pg_catalog.pg_stat_progress_vacuum where datid = {database};

-- Statements and cursors of a pooled connection are its borrowers', one after another.
create or replace view postern_catalog.pg_prepared_statements with (security_barrier) as
select {columns pg_prepared_statements} from pg_catalog.pg_prepared_statements where false;

create or replace view postern_catalog.pg_cursors with (security_barrier) as
select {columns pg_cursors} from pg_catalog.pg_cursors where false;

create or replace view postern_catalog.pg_settings with (security_barrier) as
select {columns pg_settings; sourcefile = null; sourceline = null; pending_restart = false} from pg_catalog.pg_settings
where name in (
  'application_name', 'array_nulls', 'backslash_quote', 'block_size', 'bytea_output', 'client_encoding',
  'client_min_messages', 'DateStyle', 'default_tablespace', 'default_table_access_method',
  'default_text_search_config', 'default_transaction_deferrable', 'default_transaction_isolation',
  'default_transaction_read_only', 'escape_string_warning', 'extra_float_digits',
  'idle_in_transaction_session_timeout', 'in_hot_standby', 'integer_datetimes', 'IntervalStyle', 'is_superuser',
  'jit', 'lc_collate', 'lc_ctype', 'lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time', 'lock_timeout',
  'max_function_args', 'max_identifier_length', 'max_index_keys', 'quote_all_identifiers', 'row_security',
  'search_path', 'segment_size', 'server_encoding', 'server_version', 'server_version_num',
  'standard_conforming_strings', 'statement_timeout', 'TimeZone', 'timezone_abbreviations',
  'transaction_deferrable', 'transaction_isolation', 'transaction_read_only', 'transaction_timeout',
  'wal_block_size', 'xmlbinary', 'xmloption');
