import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { namedRelations } from '../../scripts/catalog-rules.ts'
import { isRefusal, namedFunctions } from '../../scripts/function-rules.ts'
import { bundledMajor, defaultMajorsDir, type Major } from '../../src/embedded/binaries.ts'
import { type Cluster, startCluster } from '../../src/embedded/cluster.ts'

const majors: readonly Major[] = [14, 15, 16, 17, 18]
const present = majors.filter(major => major === bundledMajor || existsSync(join(defaultMajorsDir, String(major))))

type Manifest = ReadonlyMap<string, string>
function readManifest(name: string): Manifest {
  const file = join(import.meta.dirname, '../../src/guard/data', `${name}.json`)
  return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8'))))
}
function readLists(name: string): Record<string, string[]> {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../src/guard/data', `${name}.json`), 'utf8'))
}
const functionsOf = new Map(majors.map(major => [major, readManifest(`functions-${major}`)]))
const relationsOf = new Map(majors.map(major => [major, readManifest(`catalog-${major}`)]))
const withValue = (manifest: Manifest | undefined, wanted: string) =>
  [...(manifest ?? [])].filter(([, value]) => value === wanted).map(([name]) => name)

const majorsAbsent = majors.filter(major => !present.includes(major))
if (majorsAbsent.length > 0)
  console.log(`manifests of ${majorsAbsent} are not compared: scripts/fetch-majors.sh has not run`)

describe.each(present)('PostgreSQL %i', major => {
  let cluster: Cluster
  let administrator: pg.Client
  let reader: pg.Client
  const functions = functionsOf.get(major) ?? new Map<string, string>()
  const relations = relationsOf.get(major) ?? new Map<string, string>()

  const column = async (sql: string) => (await administrator.query<{ name: string }>(sql)).rows.map(row => row.name)
  const connect = async (user: string, password: string) => {
    const client = new pg.Client({ host: '127.0.0.1', port: cluster.port, database: 'mine', user, password })
    await client.connect()
    return client
  }

  beforeAll(async () => {
    cluster = await startCluster({ major })
    const first = new pg.Client({ connectionString: cluster.url })
    await first.connect()
    for (const sql of neighbourhood) await first.query(sql)
    await first.end()
    administrator = await connect(cluster.superuser, cluster.password)
    await administrator.query('create table public.t (a int); grant select on t to my_reader; analyze public.t')
    reader = await connect('my_gate', 'mine')
  })
  afterAll(async () => {
    await administrator?.end()
    await reader?.end()
    await cluster?.stop()
  })

  test('the manifests hold every function and relation of the server, and no other', async () => {
    const scope = `n.nspname in ('pg_catalog', 'information_schema')`
    const served = await column(`
      select distinct case n.nspname when 'pg_catalog' then '' else n.nspname || '.' end || p.proname as name
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${scope}`)
    expect([...functions.keys()].sort()).toEqual(served.sort())
    const read = await column(`
      select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where ${scope} and c.relkind in ('r', 'v', 'm', 'p', 'f')`)
    expect([...relations.keys()].sort()).toEqual(read.sort())
  })

  test("columns and types are the server's", async () => {
    const columns = readLists(`columns-${major}`)
    expect(Object.keys(columns).sort()).toEqual([...relations.keys()].sort())
    for (const name of ['pg_catalog.pg_class', 'pg_catalog.pg_stat_activity', 'information_schema.columns']) {
      const { fields } = await reader.query(`select * from ${name} limit 0`)
      expect(columns[name]).toEqual(fields.map(field => field.name))
    }
    const types = await column(
      `select typname::text as name from pg_type where typnamespace = 'pg_catalog'::regnamespace`,
    )
    expect(Object.values(readLists(`types-${major}`)).sort()).toEqual(types.sort())
  })

  test('what operators, casts and aggregates of pg_catalog call by themselves could be called by name', async () => {
    const called = await column(`
      select distinct p.proname::text as name from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace
      and (p.oid in (select oprcode from pg_operator) or p.oid in (select castfunc from pg_cast) or p.prokind = 'a')`)
    expect(called.filter(name => functions.get(name) !== 'allow')).toEqual([])
  })

  test('no allowed function is volatile but the harmless ones, none takes or gives a server-internal type', async () => {
    const volatile = await column(`select distinct proname::text as name from pg_proc where provolatile = 'v'`)
    const harmless =
      'array_sample array_shuffle clock_timestamp gen_random_uuid pg_collation_actual_version pg_is_in_recovery pg_jit_available random random_normal timeofday timezone uuidv4 uuidv7'
    expect(volatile.filter(name => functions.get(name) === 'allow').filter(name => !harmless.includes(name))).toEqual(
      [],
    )
    const internal = await column(`
      select distinct proname::text as name from pg_proc where pronamespace = 'pg_catalog'::regnamespace
      and (prorettype in ('internal'::regtype, 'cstring'::regtype) or 'internal'::regtype = any (proargtypes) or 'cstring'::regtype = any (proargtypes))`)
    expect(internal.filter(name => !isRefusal(functions.get(name) ?? ''))).toEqual([])
  })

  test('no shared relation is read unfiltered', async () => {
    const shared = await column(
      `select 'pg_catalog.' || relname as name from pg_class where relisshared and relkind = 'r'`,
    )
    expect(shared.filter(name => relations.get(name) === 'allow')).toEqual([])
  })

  test('no allowed relation tells a reader of the neighbours', async () => {
    const told: string[] = []
    for (const name of withValue(relations, 'allow')) {
      const answer = await reader.query(`select * from ${name}`).catch(readable)
      if (JSON.stringify(answer.rows).includes('neighbour')) told.push(name)
    }
    expect(told).toEqual([])
  })

  test('no allowed function without arguments tells a reader of the neighbours', async () => {
    const plain = await column(`
      select distinct proname::text as name from pg_proc
      where pronargs = pronargdefaults and prokind = 'f' and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)`)
    const told: string[] = []
    for (const name of plain.filter(name => functions.get(name) === 'allow')) {
      const answer = await reader.query(`select f::text from pg_catalog.${name}() f`).catch(readable)
      if (JSON.stringify(answer.rows).includes('neighbour')) told.push(name)
    }
    expect(told).toEqual([])
  })
})

/** Another tenant of the same server, with its name wherever one can stand. */
const neighbourhood = [
  'create role neighbour_owner',
  `create role neighbour_gate login password 'n'`,
  'grant neighbour_owner to neighbour_gate',
  'create database neighbour_database owner neighbour_owner',
  `comment on database neighbour_database is 'neighbour comment'`,
  `comment on role neighbour_gate is 'neighbour comment'`,
  `alter role neighbour_gate set application_name = 'neighbour setting'`,
  `alter database neighbour_database set search_path = 'neighbour_schema'`,
  'create role my_reader',
  `create role my_gate login noinherit password 'mine'`,
  'grant my_reader to my_gate',
  'alter role my_gate set role = my_reader',
  'create database mine',
]

/** A reader may lack the privilege: nothing is told then. Anything else is no answer. */
function readable(error: unknown): { rows: unknown[] } {
  if (error instanceof pg.DatabaseError && (error.code === '42501' || error.code === '0A000')) return { rows: [] }
  throw error
}

describe('the manifests of all majors', () => {
  test('every name of the review exists in some version', () => {
    const functions = new Set(majors.flatMap(major => [...(functionsOf.get(major)?.keys() ?? [])]))
    expect(namedFunctions.filter(name => !functions.has(name))).toEqual([])
    const relations = new Set(majors.flatMap(major => [...(relationsOf.get(major)?.keys() ?? [])]))
    expect(namedRelations.map(qualify).filter(name => !relations.has(name))).toEqual([])
  })

  test('an unknown major may do no more than each known one', () => {
    for (const name of withValue(readManifest('functions-unknown'), 'allow')) {
      for (const major of majors) expect(functionsOf.get(major)?.get(name), name).toBe('allow')
    }
    for (const name of withValue(readManifest('catalog-unknown'), 'allow')) {
      for (const major of majors) expect(relationsOf.get(major)?.get(name), name).toBe('allow')
    }
  })

  const attacks = `query_to_xml query_to_xml_and_xmlschema table_to_xml schema_to_xml database_to_xml cursor_to_xml ts_stat
    pg_read_file pg_read_binary_file pg_ls_dir pg_ls_logdir pg_stat_file pg_current_logfile lo_import lo_export lo_get loread
    lo_create lo_from_bytea lo_put pg_sleep pg_sleep_for pg_advisory_lock pg_try_advisory_lock pg_advisory_xact_lock
    pg_notify pg_logical_emit_message pg_export_snapshot txid_current pg_current_xact_id nextval setval currval setseed
    pg_stat_get_activity pg_stat_get_backend_idset pg_stat_get_db_numbackends pg_show_all_settings pg_prepared_statement
    pg_cursor inet_server_addr pg_reload_conf pg_switch_wal pg_create_restore_point pg_create_physical_replication_slot
    pg_import_system_collations pg_stat_reset makeaclitem to_regrole pg_lock_status pg_tablespace_databases
    pg_hba_file_rules pg_show_all_file_settings pg_get_backend_memory_contexts pg_terminate_backend set_config current_setting
    shobj_description pg_get_userbyid pg_database_size pg_tablespace_size has_database_privilege pg_get_viewdef`
  test.each(attacks.split(/\s+/))('%s is not called freely', name => {
    for (const major of majors) expect(['allow', 'sized', undefined]).not.toContain(functionsOf.get(major)?.get(name))
  })

  test('what people write every day is', () => {
    const daily = `count sum avg min max array_agg string_agg json_agg jsonb_agg json_build_object jsonb_build_object
      lower upper length substring substr position btrim ltrim rtrim replace split_part concat concat_ws left right md5 to_char
      to_date to_timestamp date_trunc date_part extract age now current_database current_schema version row_number rank lag lead
      percentile_cont regexp_replace regexp_matches unnest jsonb_array_elements jsonb_each_text round floor ceil abs power random
      pg_typeof pg_size_pretty format_type quote_ident pg_table_is_visible array_to_string to_tsvector plainto_tsquery ts_rank
      timezone overlaps generate_subscripts information_schema._pg_expandarray clock_timestamp gen_random_uuid pg_is_in_recovery`
    const names = daily.split(/\s+/)
    for (const major of majors) expect(names.filter(name => functionsOf.get(major)?.get(name) !== 'allow')).toEqual([])
  })
})

function qualify(name: string): string {
  return name.startsWith('information_schema.') ? name : `pg_catalog.${name}`
}
