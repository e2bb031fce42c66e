/**
 * Which relations of pg_catalog and information_schema a caller may read: the reviewed part of the manifests
 * (guard.md, "Relations"; roles.md, "Managed databases"). src/guard/data/catalog-*.json hold the results.
 *
 * - `allow`: shows the database's own objects, or nothing about anybody.
 * - `filtered`: shows other databases, roles or sessions too; read through the view of its name in postern_catalog.
 * - anything else is the reason for a refusal, to be read after "It".
 *
 * The rule: a shared relation, and a view that reaches one or a refused function (pg_rewrite.ev_action, transitively),
 * is refused unless it is named here; whatever else there is, is allowed unless it is named here.
 */

const words = (text: string) => text.trim().split(/\s+/)

/** pg_catalog, or information_schema where the name says so. */
const named = new Map<string, string>([
  ...list(
    'filtered',
    `pg_database pg_roles pg_user pg_group pg_auth_members pg_db_role_setting pg_parameter_acl pg_tablespace
    pg_shdescription pg_shdepend pg_shseclabel pg_seclabels pg_subscription pg_user_mappings
    pg_settings pg_locks pg_prepared_xacts pg_prepared_statements pg_cursors
    pg_stat_activity pg_stat_ssl pg_stat_gssapi pg_stat_database pg_stat_database_conflicts
    pg_stat_subscription pg_stat_subscription_stats pg_replication_slots pg_stat_replication_slots
    pg_stat_progress_analyze pg_stat_progress_cluster pg_stat_progress_copy pg_stat_progress_create_index
    pg_stat_progress_vacuum`,
  ),
  // Over shared relations, yet they show only names that belong to the database's own objects: an owner, a grantee,
  // a tablespace, the roles that the caller itself is a member of. Names of roles that we make say nothing.
  ...list('allow', 'pg_tables pg_indexes pg_matviews pg_policies pg_wait_events'),
  ...list(
    'allow',
    `information_schema._pg_foreign_data_wrappers information_schema._pg_foreign_servers
    information_schema._pg_foreign_table_columns information_schema._pg_foreign_tables
    information_schema.administrable_role_authorizations information_schema.applicable_roles
    information_schema.character_sets information_schema.collation_character_set_applicability
    information_schema.collations information_schema.column_options information_schema.column_privileges
    information_schema.enabled_roles information_schema.foreign_data_wrapper_options
    information_schema.foreign_data_wrappers information_schema.foreign_server_options
    information_schema.foreign_servers information_schema.foreign_table_options information_schema.foreign_tables
    information_schema.role_column_grants information_schema.role_routine_grants information_schema.role_table_grants
    information_schema.role_udt_grants information_schema.role_usage_grants information_schema.routine_privileges
    information_schema.schemata information_schema.table_privileges information_schema.udt_privileges
    information_schema.usage_privileges`,
  ),
  // These hold passwords of foreign servers.
  ...list(
    'shows credentials',
    `pg_authid pg_shadow pg_user_mapping information_schema._pg_user_mappings information_schema.user_mappings
    information_schema.user_mapping_options`,
  ),
  // Values of columns, whoever may read those columns; pg_stats and pg_stats_ext show them as far as they may be read.
  ...list('shows values of any column', 'pg_statistic pg_statistic_ext_data'),
  ...list('reads large objects', 'pg_largeobject'),
  ...list(
    'shows how the server is set up',
    `pg_config pg_file_settings pg_hba_file_rules pg_ident_file_mappings pg_shmem_allocations
    pg_shmem_allocations_numa pg_backend_memory_contexts pg_aios`,
  ),
  ...list(
    'shows the load of the whole server',
    `pg_stat_archiver pg_stat_bgwriter pg_stat_checkpointer pg_stat_io pg_stat_slru pg_stat_wal
    pg_stat_recovery_prefetch pg_stat_progress_basebackup`,
  ),
  ...list(
    'shows the state of replication',
    'pg_replication_origin pg_replication_origin_status pg_stat_replication pg_stat_wal_receiver',
  ),
])

/** `name` is `schema.relation`; `reaches` the first shared relation or refused function on its way, if any. */
export function judgeRelation(name: string, reaches: string | undefined): string {
  const value = named.get(name.replace(/^pg_catalog\./, ''))
  return value ?? (reaches === undefined ? 'allow' : 'shows other tenants of the server')
}

/** Relations judged by name: each must exist in some major (a test looks). */
export const namedRelations: readonly string[] = [...named.keys()]

function list(value: string, names: string): [string, string][] {
  return words(names).map(name => [name, value])
}
