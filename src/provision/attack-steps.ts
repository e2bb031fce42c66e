/**
 * Attacks that are tried: each in a transaction of its own that is rolled back, once as the reader and once as the bare
 * login (SET ROLE NONE, which no privilege prevents). An attack has succeeded when its last statement gives a row.
 */
import { quoteName, quoteRelation, quoteText } from './quote.ts'

/** Groups of docs and tests: the classes of what an attacker may try. */
export type AttackClass =
  | 'role-escape'
  | 'transaction-escape'
  | 'other-tenant'
  | 'files-and-programs'
  | 'sql-in-text'
  | 'stored-code'
  | 'resource'

/**
 * 'must-fail': nothing may be served while it succeeds. 'guard-only': no privilege governs it, or only a superuser
 * could revoke it, so the guard alone stands before it.
 */
export type AttackKind = 'must-fail' | 'guard-only'

/** What the attack knows of the database. */
export interface AttackContext {
  /** Managed: made by Postern, nobody else's. */
  readonly kind: 'managed' | 'external'
  /** The login that connects. */
  readonly login: string
  /** The role that it starts as; the login itself where there is no other. */
  readonly reader: string
  /** Whether Postern made the login: member of `reader` and of nothing else. */
  readonly exact: boolean
  /** Roles worth trying: the owner first (whoever should own what the login owns by mistake), live, the administrator. */
  readonly otherRoles: readonly string[]
  /** The schemas that are served. */
  readonly schemas: readonly string[]
  /** Served beside them, as long as they are there: they come and go. */
  readonly provisioned?: readonly string[] | undefined
  readonly database: string
}

/** Everybody to whom a grant opens the way, as REVOKE wants them. */
export function granteesOf({ login, reader }: AttackContext): string {
  return `public, ${[...new Set([reader, login])].map(quoteName).join(', ')}`
}

export interface StepAttack {
  readonly name: string
  readonly class: AttackClass
  readonly kind: AttackKind
  readonly steps: readonly string[]
  readonly mend: readonly string[]
}

const readWrite = 'set transaction read write'
const thing = 'postern_self_attack'

/** `dblinkSchema`: where the extension's functions are, or null. */
export function stepAttacks(context: AttackContext, dblinkSchema: string | null): StepAttack[] {
  return [
    ...(dblinkSchema === null ? [] : [dialOut(context, dblinkSchema)]),
    ...context.otherRoles.flatMap(role => roleEscapes(context, role)),
    ...writes(context),
    ...secrets(context),
    ...filesAndPrograms(context),
    ...guardOnly(context),
  ]
}

function roleEscapes({ login, reader }: AttackContext, role: string): StepAttack[] {
  if (role === login || role === reader) return []
  const became = `select current_user where current_user not in (${quoteText(login)}, ${quoteText(reader)})`
  const mend = [`revoke ${quoteName(role)} from ${quoteName(login)}, ${quoteName(reader)}`]
  const attempt = { class: 'role-escape', kind: 'must-fail', mend } as const
  return [
    { ...attempt, name: `set role "${role}"`, steps: [`set role ${quoteName(role)}`, became] },
    {
      ...attempt,
      name: `set_config('role', "${role}")`,
      steps: ['reset role', `select pg_catalog.set_config('role', ${quoteText(role)}, false)`, became],
    },
    {
      ...attempt,
      name: `set session authorization "${role}"`,
      steps: [
        `set session authorization ${quoteName(role)}`,
        `select session_user where session_user <> ${quoteText(login)}`,
      ],
    },
  ]
}

/** Each begins by leaving the read-only mode, which any login may. */
function writes(context: AttackContext): StepAttack[] {
  const write = { class: 'transaction-escape', kind: 'must-fail' } as const
  const who = granteesOf(context)
  const database = quoteName(context.database)
  const created = `select relname from pg_catalog.pg_class where relname = '${thing}'`
  return [
    ...context.schemas.map(schema => ({
      ...write,
      name: `create a table in schema "${schema}"`,
      steps: [readWrite, `create table ${quoteRelation(schema, thing)} (x int)`, created],
      mend: [`revoke create on schema ${quoteName(schema)} from ${who}`],
    })),
    {
      ...write,
      name: 'create a temporary table',
      // Every database gives it to PUBLIC to begin with; nothing that stays is written.
      kind: context.kind === 'managed' ? 'must-fail' : 'guard-only',
      steps: [readWrite, `create temporary table ${thing} (x int)`, created],
      mend: [`revoke temporary on database ${database} from ${who}`],
    },
    {
      ...write,
      name: 'create a schema',
      steps: [
        readWrite,
        `create schema ${thing}`,
        `select nspname from pg_catalog.pg_namespace where nspname = '${thing}'`,
      ],
      mend: [`revoke create on database ${database} from ${who}`],
    },
    {
      ...write,
      name: 'write to a system catalog',
      steps: [readWrite, 'update pg_catalog.pg_class set relname = relname where false', `select 'updated'`],
      mend: [`alter role ${quoteName(context.login)} nosuperuser`],
    },
    {
      ...write,
      name: 'create a role',
      class: 'role-escape',
      steps: [readWrite, `create role ${thing}`, `select rolname from pg_catalog.pg_roles where rolname = '${thing}'`],
      mend: [`alter role ${quoteName(context.login)} nosuperuser nocreaterole`],
    },
  ]
}

function secrets(context: AttackContext): StepAttack[] {
  return ['pg_authid', 'pg_shadow', 'pg_statistic', 'pg_user_mapping', 'pg_largeobject'].map(relation => ({
    name: `read ${relation}`,
    class: 'other-tenant',
    kind: 'must-fail',
    steps: [`select pg_catalog.count(*) from pg_catalog.${relation}`],
    mend: [`revoke all on pg_catalog.${relation} from ${granteesOf(context)}`],
  }))
}

/** Nothing here leaves a trace where it succeeds: /dev/null is written, PG_VERSION read, the transaction rolled back. */
function filesAndPrograms(context: AttackContext): StepAttack[] {
  const attempts: [name: string, steps: string[], mend: string][] = [
    ['read a file', [`select pg_catalog.pg_read_file('PG_VERSION')`], 'pg_read_file(text)'],
    ['read a binary file', [`select pg_catalog.pg_read_binary_file('PG_VERSION')`], 'pg_read_binary_file(text)'],
    ['list a folder', [`select pg_catalog.pg_ls_dir('.')`], 'pg_ls_dir(text)'],
    ['list the logs', [`select 'listed', pg_catalog.count(*) from pg_catalog.pg_ls_logdir()`], 'pg_ls_logdir()'],
    ['list the WAL', [`select 'listed', pg_catalog.count(*) from pg_catalog.pg_ls_waldir()`], 'pg_ls_waldir()'],
    ['look at a file', [`select size from pg_catalog.pg_stat_file('PG_VERSION')`], 'pg_stat_file(text)'],
    ['import a file', [readWrite, `select pg_catalog.lo_import('PG_VERSION')`], 'lo_import(text)'],
    ['export a file', [readWrite, `select pg_catalog.lo_export(0, '/dev/null')`], 'lo_export(oid, text)'],
    ['copy to a file', [`copy (select 1) to '/dev/null'`, `select 'written'`], ''],
    ['copy to a program', [`copy (select 1) to program 'true'`, `select 'ran'`], ''],
  ]
  return attempts.map(([name, steps, signature]) => ({
    name,
    class: 'files-and-programs',
    kind: 'must-fail',
    steps,
    mend: signature === '' ? [] : [`revoke execute on function pg_catalog.${signature} from ${granteesOf(context)}`],
  }))
}

/** Back into the same server without a password: refused to all but superusers before anything is sent. */
function dialOut(context: AttackContext, schema: string): StepAttack {
  const dblink = quoteRelation(schema, 'dblink')
  return {
    name: 'connect by dblink',
    class: 'sql-in-text',
    kind: 'must-fail',
    steps: [
      `select x from ${dblink}('host=127.0.0.1 connect_timeout=2 port=' || pg_catalog.current_setting('port'), 'select 1') as t(x int)`,
    ],
    mend: [`revoke execute on function ${dblink}(text, text) from ${granteesOf(context)}`],
  }
}

/** No privilege governs these, or the functions are a superuser's to revoke; printed so that nobody thinks otherwise. */
function guardOnly(context: AttackContext): StepAttack[] {
  const login = quoteName(context.login)
  const attempts: [name: string, group: AttackClass, steps: string[], mend?: string][] = [
    ['leave the read-only mode', 'transaction-escape', [readWrite, `select 'read write'`]],
    [
      'leave the reader role',
      'role-escape',
      ['set role none', `select current_user where current_user <> ${quoteText(context.reader)}`],
    ],
    ['lift the statement timeout', 'resource', [`select pg_catalog.set_config('statement_timeout', '0', true)`]],
    [
      'change its own settings',
      'role-escape',
      [readWrite, 'set role none', `alter role ${login} set work_mem = '4MB'`, `select 'altered'`],
    ],
    [
      'write a large object',
      'transaction-escape',
      [readWrite, `select pg_catalog.lo_from_bytea(0, '')`],
      'lo_from_bytea(oid, bytea)',
    ],
    [
      'hold an advisory lock',
      'resource',
      ['select pg_catalog.pg_advisory_xact_lock_shared(6432, 6432)'],
      'pg_advisory_xact_lock_shared(int, int)',
    ],
    ['notify', 'transaction-escape', [`select pg_catalog.pg_notify('${thing}', '')`], 'pg_notify(text, text)'],
    [
      'write to the WAL',
      'transaction-escape',
      [`select pg_catalog.pg_logical_emit_message(true, '${thing}', '')`],
      'pg_logical_emit_message(boolean, text, text)',
    ],
    [
      'run SQL from a text',
      'sql-in-text',
      [`select 'ran' where pg_catalog.query_to_xml('select 1', true, true, '') is not null`],
      'query_to_xml(text, boolean, boolean, text)',
    ],
  ]
  return attempts.map(([name, group, steps, signature]) => ({
    name,
    class: group,
    kind: 'guard-only',
    steps,
    mend: signature === undefined ? [] : [`revoke execute on function pg_catalog.${signature} from public`],
  }))
}
