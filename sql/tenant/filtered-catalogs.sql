-- Schema postern_catalog: twins of the cluster-wide catalogs that show one database, under the originals' names.
--
-- `{columns <relation>}` becomes the server's own columns of that relation, in their order and under their names and
-- types, so that every major gets its own; `; name = expression` behind it replaces a column, keeping its type. A view over
-- a relation that the server does not have is left out. `{database}` is this database's oid, `{tablespaces}` the oids of its
-- tablespaces, `{roles}` those of roles that own something here or are granted something here, of the caller's, and of the
-- roles that every server has (the bootstrap superuser, pg_read_all_data …). `{settings}` are the names that SHOW may tell.
--
-- Every view is a security barrier: else `where datname::int = 1` would be asked of the neighbours' rows too, and its
-- error message name them. They belong to the database's owner role; functions in them still run as the caller.

create or replace view postern_catalog.pg_database with (security_barrier) as
select {columns pg_database} from pg_catalog.pg_database where oid = {database};

create or replace view postern_catalog.pg_tablespace with (security_barrier) as
select {columns pg_tablespace; spcacl = null; spcoptions = null} from pg_catalog.pg_tablespace where oid in ({tablespaces});

-- Settings of a role may hold secrets (app.jwt_secret), and the gate's are our pins.
create or replace view postern_catalog.pg_roles with (security_barrier) as
select {columns pg_roles; rolconfig = null} from pg_catalog.pg_roles where oid in ({roles});

create or replace view postern_catalog.pg_user with (security_barrier) as
select {columns pg_user; useconfig = null} from pg_catalog.pg_user where usesysid in ({roles});

create or replace view postern_catalog.pg_group with (security_barrier) as
select {columns pg_group; grolist = array(select m from pg_catalog.unnest(grolist) m where m in ({roles}))}
from pg_catalog.pg_group where grosysid in ({roles});

create or replace view postern_catalog.pg_auth_members with (security_barrier) as
select {columns pg_auth_members} from pg_catalog.pg_auth_members where roleid in ({roles}) and member in ({roles});

create or replace view postern_catalog.pg_db_role_setting with (security_barrier) as
select {columns pg_db_role_setting} from pg_catalog.pg_db_role_setting where false;

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

-- Of sessions only the one that asks: a session splices its principal's own in their place where it can.
create or replace view postern_catalog.pg_stat_activity with (security_barrier) as
select {columns pg_stat_activity} from pg_catalog.pg_stat_activity where pid = pg_catalog.pg_backend_pid();

create or replace view postern_catalog.pg_stat_ssl with (security_barrier) as
select {columns pg_stat_ssl} from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid();

create or replace view postern_catalog.pg_stat_gssapi with (security_barrier) as
select {columns pg_stat_gssapi} from pg_catalog.pg_stat_gssapi where pid = pg_catalog.pg_backend_pid();

create or replace view postern_catalog.pg_replication_slots with (security_barrier) as
select {columns pg_replication_slots; active_pid = null} from pg_catalog.pg_replication_slots
where database = pg_catalog.current_database();

create or replace view postern_catalog.pg_stat_replication_slots with (security_barrier) as
select {columns pg_stat_replication_slots} from pg_catalog.pg_stat_replication_slots
where slot_name in (select s.slot_name from pg_catalog.pg_replication_slots s where s.database = pg_catalog.current_database());

create or replace view postern_catalog.pg_prepared_xacts with (security_barrier) as
select {columns pg_prepared_xacts} from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database();

create or replace view postern_catalog.pg_locks with (security_barrier) as
select {columns pg_locks; pid = case when pid = pg_catalog.pg_backend_pid() then pid end} from pg_catalog.pg_locks
where database = {database};

create or replace view postern_catalog.pg_stat_database with (security_barrier) as
select {columns pg_stat_database} from pg_catalog.pg_stat_database where datid = {database};

create or replace view postern_catalog.pg_stat_database_conflicts with (security_barrier) as
select {columns pg_stat_database_conflicts} from pg_catalog.pg_stat_database_conflicts where datid = {database};

create or replace view postern_catalog.pg_stat_progress_analyze with (security_barrier) as
select {columns pg_stat_progress_analyze; pid = null} from pg_catalog.pg_stat_progress_analyze where datid = {database};

create or replace view postern_catalog.pg_stat_progress_cluster with (security_barrier) as
select {columns pg_stat_progress_cluster; pid = null} from pg_catalog.pg_stat_progress_cluster where datid = {database};

create or replace view postern_catalog.pg_stat_progress_copy with (security_barrier) as
select {columns pg_stat_progress_copy; pid = null} from pg_catalog.pg_stat_progress_copy where datid = {database};

create or replace view postern_catalog.pg_stat_progress_create_index with (security_barrier) as
select {columns pg_stat_progress_create_index; pid = null} from pg_catalog.pg_stat_progress_create_index where datid = {database};

create or replace view postern_catalog.pg_stat_progress_vacuum with (security_barrier) as
select {columns pg_stat_progress_vacuum; pid = null} from pg_catalog.pg_stat_progress_vacuum where datid = {database};

-- Statements and cursors of a pooled connection are its borrowers', one after another.
create or replace view postern_catalog.pg_prepared_statements with (security_barrier) as
select {columns pg_prepared_statements} from pg_catalog.pg_prepared_statements where false;

create or replace view postern_catalog.pg_cursors with (security_barrier) as
select {columns pg_cursors} from pg_catalog.pg_cursors where false;

create or replace view postern_catalog.pg_settings with (security_barrier) as
select {columns pg_settings; sourcefile = null; sourceline = null; pending_restart = false} from pg_catalog.pg_settings
where pg_catalog.lower(name) in ({settings});

-- A comment on this database; comments on roles, tablespaces and other databases are nobody's here.
create or replace function postern_catalog.shobj_description(object_oid oid, catalog_name name) returns text
language sql stable parallel safe
return (select d.description from pg_catalog.pg_shdescription d
  where catalog_name = 'pg_database' and object_oid = {database} and d.objoid = object_oid
    and d.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass);

-- The original adds up every tenant's tables.
create or replace function postern_catalog.pg_tablespace_size(tablespace_oid oid) returns bigint
language sql stable parallel safe
return (select pg_catalog.sum(pg_catalog.pg_relation_size(c.oid))::bigint from pg_catalog.pg_class c
  where tablespace_oid in ({tablespaces})
    and coalesce(nullif(c.reltablespace, 0), (select d.dattablespace from pg_catalog.pg_database d where d.oid = {database}))
      = tablespace_oid);

create or replace function postern_catalog.pg_tablespace_size(tablespace_name name) returns bigint
language sql stable parallel safe
return (select postern_catalog.pg_tablespace_size(t.oid) from pg_catalog.pg_tablespace t
  where t.spcname = tablespace_name and t.oid in ({tablespaces}));
