/**
 * An owner's login: one that its caller has given us as it is, and that may write. It is served behind the guard and in
 * transactions that are read only; what it could do beyond that is told and does not stop service. What no guard may stand
 * alone before stops it: a superuser, row security that does not bind, files and programs of the server, a pooler in between.
 */
import type { AttackClass } from './attack-steps.ts'
import { quoteName } from './quote.ts'
import type { AttackOutcome, AttackReport } from './self-attack.ts'

/** proven: every lock must hold. owner-login: see above. */
export type Trust = 'proven' | 'owner-login'

const tolerated: { readonly [Class in AttackOutcome['class']]: boolean } = {
  'role-escape': true,
  'transaction-escape': true,
  'other-tenant': true,
  'stored-code': true,
  resource: true,
  'files-and-programs': false,
  'sql-in-text': false,
  pooler: false,
} satisfies { readonly [Class in AttackClass | 'pooler']: boolean }

/** Whether a database may be served after this attack. */
export function isServable(report: AttackReport, trust: Trust): boolean {
  return report.passed || (trust === 'owner-login' && missingLocks(report).every(outcome => tolerated[outcome.class]))
}

/** The locks that do not hold though they should. */
export function missingLocks(report: AttackReport): readonly AttackOutcome[] {
  return report.outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict !== 'held')
}

/** What is missing in a line for each kind of attack, for whoever started it. */
export function describeMissing(report: AttackReport): readonly string[] {
  const byName = Map.groupBy(missingLocks(report), outcome => outcome.name)
  return [...byName].map(([name, [first, ...others]]) => {
    const what = first?.evidence ?? name
    const told = what.includes('"') ? what : `it can ${name}`
    return others.length === 0 ? told : `${told}, and ${others.length} more of this kind`
  })
}

/** One row with one text: what of the login that asks no guard may stand alone before; null where there is nothing. */
export const ownerLoginFaultsSql = `
  select pg_catalog.string_agg(distinct a.what, ', ')
    from pg_catalog.pg_roles r
      join pg_catalog.pg_roles me on me.rolname = session_user,
      lateral (values ('is a superuser', r.rolsuper), ('bypasses row security', r.rolbypassrls),
        ('may replicate', r.rolreplication),
        ('may run programs on the server', r.rolname = 'pg_execute_server_program'),
        ('may read files of the server', r.rolname = 'pg_read_server_files'),
        ('may write files of the server', r.rolname = 'pg_write_server_files'),
        ('may create roles, which before Postgres 16 can make itself anything', r.rolcreaterole
          and pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000)) a(what, has)
   where a.has and (r.oid = me.oid or not me.rolsuper and pg_catalog.pg_has_role(me.oid, r.oid, 'member'))`

export interface GateScript {
  readonly database: string
  readonly schemas: readonly string[]
  /** Who makes tables there: what they make later must be readable too. */
  readonly owners: readonly string[]
  /** Of the server: from 16 on a grant says for itself whether it is inherited. */
  readonly major: number
}

/** Room for `reader` in place of `gate` within a name's 63. */
const loginMaxChars = 60

/** What an administrator runs once so that there is a login that can read these schemas and do nothing else. */
export function gateScript(o: GateScript): { readonly login: string; readonly sql: readonly string[] } {
  const words =
    o.database
      .normalize('NFKD')
      .toLowerCase()
      .replace(/\p{M}/gu, '')
      .match(/[a-z0-9]+/g) ?? []
  const login = ['postern_gate', ...words].join('_').slice(0, loginMaxChars)
  const [gate, reader] = [quoteName(login), quoteName(login.replace('gate', 'reader'))]
  const [schemas, owners] = [o.schemas, o.owners].map(names => names.map(quoteName).join(', '))
  const settings = [
    'default_transaction_read_only = on',
    "statement_timeout = '30s'",
    "lock_timeout = '2s'",
    "idle_in_transaction_session_timeout = '60s'",
    `role = ${reader}`,
  ]
  const sql = [
    `create role ${reader} nologin`,
    `create role ${gate} login noinherit`,
    `grant ${reader} to ${gate}${o.major >= 16 ? ' with inherit false, set true' : ''}`,
    `grant connect on database ${quoteName(o.database)} to ${gate}`,
    `grant usage on schema ${schemas} to ${reader}`,
    `grant select on all tables in schema ${schemas} to ${reader}`,
    ...(owners === ''
      ? []
      : [`alter default privileges for role ${owners} in schema ${schemas} grant select on tables to ${reader}`]),
    ...settings.map(setting => `alter role ${gate} set ${setting}`),
  ]
  return { login, sql: sql.map(statement => `${statement};`) }
}
