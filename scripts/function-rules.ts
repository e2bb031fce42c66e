/**
 * Which functions of pg_catalog a caller may call: the reviewed part of the manifests (guard.md, "Functions").
 * {@link judgeFunction} gives one value per name; src/guard/data/functions-*.json hold the results.
 *
 * - `allow`: call freely. All overloads are IMMUTABLE or STABLE and none is named here, or it is a harmless volatile one.
 * - `special`: judging has its own rule for it.
 * - `twin`: shows the neighbours, and is replaced by the filtered function of its name in postern_catalog.
 * - `catalog-argument`: tells about the object that its argument names; only over columns of a pg_catalog or
 *   information_schema relation of the same query, or a constant that names what the caller may read.
 * - `sized`: makes a value as long as an argument says; constant sizes are capped.
 * - `arity:3`: only with that many positional arguments.
 * - anything else is the reason for a refusal, to be read after "It"; `writes: …` where a plain role in a read-only transaction is told 25006.
 */

export interface CatalogFunction {
  readonly name: string
  /** i s v */
  readonly volatility: string
  /** Types of the arguments and of the result, as format_type gives them. */
  readonly argumentTypes: readonly string[]
  readonly resultType: string
}

const words = (text: string) => text.trim().split(/\s+/)

const named = new Map<string, string>([
  ...list(
    'special',
    'current_setting set_config pg_backend_pid pg_cancel_backend pg_terminate_backend pg_advisory_unlock_all',
  ),
  ...list('twin', 'shobj_description pg_tablespace_size'),
  ...list('sized', 'repeat lpad rpad generate_series array_fill format'),
  ['ts_rewrite', 'arity:3'],
  // Volatile, and harmless all the same.
  ...list(
    'allow',
    'random random_normal clock_timestamp timeofday gen_random_uuid uuidv4 uuidv7 array_sample array_shuffle',
  ),
  ...list('allow', 'timezone pg_is_in_recovery pg_jit_available pg_collation_actual_version'),
  // Arithmetic on a value at hand, whatever their names suggest.
  ...list('allow', 'pg_wal_lsn_diff'),
  ...list(
    'catalog-argument',
    `acldefault aclexplode col_description obj_description pg_column_is_updatable pg_describe_object pg_filenode_relation
    pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments
    pg_get_function_result pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_partition_constraintdef
    pg_get_partkeydef pg_get_publication_tables pg_get_replica_identity_index pg_get_ruledef pg_get_sequence_data
    pg_get_serial_sequence pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions
    pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_identify_object pg_identify_object_as_address
    pg_index_column_has_property pg_index_has_property pg_partition_ancestors pg_partition_root pg_partition_tree
    pg_relation_filenode pg_relation_filepath pg_relation_is_publishable pg_relation_is_updatable pg_sequence_last_value
    pg_sequence_parameters pg_tablespace_location row_security_active
    pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_total_relation_size
    has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
    has_function_privilege has_language_privilege has_schema_privilege has_sequence_privilege has_server_privilege
    has_table_privilege has_tablespace_privilege has_type_privilege`,
  ),
  // Counters of one relation or function of this database, by its oid.
  ...list(
    'catalog-argument',
    `pg_stat_get_analyze_count pg_stat_get_autoanalyze_count pg_stat_get_autovacuum_count pg_stat_get_blocks_fetched
    pg_stat_get_blocks_hit pg_stat_get_dead_tuples pg_stat_get_function_calls pg_stat_get_function_self_time
    pg_stat_get_function_total_time pg_stat_get_ins_since_vacuum pg_stat_get_last_analyze_time
    pg_stat_get_last_autoanalyze_time pg_stat_get_last_autovacuum_time pg_stat_get_last_vacuum_time pg_stat_get_lastscan
    pg_stat_get_live_tuples pg_stat_get_mod_since_analyze pg_stat_get_numscans pg_stat_get_total_analyze_time
    pg_stat_get_total_autoanalyze_time pg_stat_get_total_autovacuum_time pg_stat_get_total_vacuum_time
    pg_stat_get_tuples_deleted pg_stat_get_tuples_fetched pg_stat_get_tuples_hot_updated pg_stat_get_tuples_inserted
    pg_stat_get_tuples_newpage_updated pg_stat_get_tuples_returned pg_stat_get_tuples_updated pg_stat_get_vacuum_count
    pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
    pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
    pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
    pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
    pg_stat_get_xact_tuples_updated`,
  ),
  ...list('writes: sequences', 'nextval setval'),
  ...list('shows the sequences of a pooled connection', 'currval lastval'),
  ...list('changes a pooled connection', 'setseed'),
  ...list('runs SQL or reads tables named in text', 'ts_stat'),
  ...list('reads large objects', 'lo_get loread has_largeobject_privilege'),
  ...list('writes: large objects', 'lowrite'),
  ...list('names roles of the whole server', 'makeaclitem to_regrole pg_get_acl pg_get_object_address'),
  ...list('reads a type named in text', 'pg_input_is_valid pg_input_error_info'),
  ...list(
    'shows a pooled connection',
    'pg_prepared_statement pg_cursor pg_listening_channels inet_client_addr inet_client_port inet_server_addr inet_server_port current_query',
  ),
  ...list(
    'shows other sessions or databases',
    `pg_lock_status pg_blocking_pids pg_safe_snapshot_blocking_pids pg_isolation_test_session_is_blocked pg_prepared_xact
    pg_tablespace_databases pg_database_collation_actual_version pg_notification_queue_usage pg_get_multixact_members`,
  ),
  ...list(
    'shows how the server is set up',
    `pg_show_all_settings pg_config pg_hba_file_rules pg_ident_file_mappings has_parameter_privilege pg_get_loaded_modules
    pg_get_wal_resource_managers pg_get_wait_events`,
  ),
  ...list(
    'has no use in a query',
    'satisfies_hash_partition postgresql_fdw_validator fmgr_c_validator fmgr_internal_validator fmgr_sql_validator plpgsql_validator amvalidate currtid2',
  ),
])

/** In order; the first that matches names the reason. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [/_to_xml(schema)?(_and_xmlschema)?$/, 'runs SQL or reads tables named in text'],
  [/^lo_/, 'writes: large objects'],
  [/^pg_(read_|ls_|stat_file|current_logfile|rotate_logfile)/, "reads the server's files"],
  [/advisory/, 'takes locks that outlive the statement'],
  [/^pg_sleep/, 'sleeps'],
  [/^pg_notify$/, 'notifies other sessions'],
  [
    /^txid_|^pg_(current_)?(snapshot|xact)|^pg_(visible_in|export)_snapshot$|^pg_last_committed_xact$/,
    'shows transaction ids and snapshots',
  ],
  [
    /_wal_|_wal$|walfile|^pg_logical_|replication|replorigin|^pg_(stop|start|is_in)_backup|^pg_backup_|restore_point|^pg_last_xact_replay|^pg_promote/,
    'shows or moves the write-ahead log or replication',
  ],
  [/^pg_stat_get_/, 'shows other sessions or databases'],
  [
    /^pg_(stat_|reload_|control_|log_|get_(shmem|backend|aios)|import_|nextoid|extension_config|stop_making|clear_|restore_)|^binary_upgrade_|^(brin|gin)_.*(range|values|list)$/,
    'administers the server',
  ],
  [/^pg_event_trigger_/, 'has no use in a query'],
]

/** A value for one name, from all its overloads. */
export function judgeFunction(name: string, overloads: readonly CatalogFunction[]): string {
  const known = named.get(name)
  if (known !== undefined) return known
  const types = overloads.flatMap(overload => [...overload.argumentTypes, overload.resultType])
  if (types.some(type => internalTypes.has(type))) return 'has no use in a query'
  const pattern = patterns.find(([expression]) => expression.test(name))
  if (pattern !== undefined) return pattern[1]
  return overloads.every(overload => overload.volatility !== 'v')
    ? 'allow'
    : 'has side effects or shows the state of the server'
}

export function isRefusal(value: string): boolean {
  return !/^(allow|special|twin|catalog-argument|sized|arity:\d)$/.test(value)
}

/** Every name that is judged by name: each must exist in some major (a test looks). */
export const namedFunctions: readonly string[] = [...named.keys()]

/** Only the server passes or takes these: input and output of types, support functions, triggers, handlers. */
const internalTypes = new Set(
  words(
    'internal cstring trigger event_trigger language_handler fdw_handler index_am_handler table_am_handler tsm_handler',
  ),
)

function list(value: string, names: string): [string, string][] {
  return words(names).map(name => [name, value])
}
