/**
 * Attacks that are asked for rather than tried, since a try would do harm where it succeeds, or wait for locks: each query
 * gives a row per breach, (kind, what can be done, the SQL that would mend it).
 */
import { type AttackClass, type AttackContext, granteesOf } from './attack-steps.ts'
import { filteredSchema } from './filtered-views.ts'
import { forbiddenRoles } from './gate.ts'
import { quoteText } from './quote.ts'
import { ownSchemas } from './version-sql.ts'

export interface ReportAttack {
  readonly name: string
  readonly class: AttackClass
  readonly sql: string
}

/** Everybody whom the login can be: a superuser could be anybody, and is reported for that. */
const who = `(select r.oid, r.rolname from pg_catalog.pg_roles r
  where r.rolname in (session_user, current_user) or pg_catalog.pg_has_role(session_user, r.oid, 'member')
    and not (select s.rolsuper from pg_catalog.pg_roles s where s.rolname = session_user))`

/** Rows per query: the first hundred are enough to act on. */
const breachesMax = 100

export function reportAttacks(context: AttackContext): ReportAttack[] {
  const attacks: ReportAttack[] = [
    { name: 'attributes', class: 'role-escape', sql: attributes(context) },
    { name: 'memberships', class: 'role-escape', sql: memberships(context) },
    { name: 'ownership', class: 'stored-code', sql: ownership(context) },
    { name: 'writing tables', class: 'transaction-escape', sql: writableRelations(context) },
    { name: 'creating in schemas', class: 'transaction-escape', sql: creatableSchemas(context) },
    { name: 'reading other schemas', class: 'other-tenant', sql: foreignRelations(context) },
    { name: 'entering other databases', class: 'other-tenant', sql: otherDatabases(context) },
    { name: 'signalling other sessions', class: 'resource', sql: signals },
    { name: "functions with their owner's rights", class: 'stored-code', sql: definerFunctions },
    { name: 'connections outwards', class: 'sql-in-text', sql: outwards },
    { name: 'limits', class: 'resource', sql: limits(context) },
  ]
  return attacks.map(attack => ({ ...attack, sql: `select * from (${attack.sql}) breach limit ${breachesMax}` }))
}

/** `'must-fail'` where Postern made the roles, so that nothing else may explain it. */
function strict(context: AttackContext): string {
  return context.exact ? `'must-fail'` : `'guard-only'`
}

function attributes(context: AttackContext): string {
  return `
    select case when r.rolname in (session_user, current_user) or a.name <> 'createdb' then 'must-fail' else ${strict(context)} end,
      pg_catalog.format('"%s" has %s', r.rolname, a.name), pg_catalog.format('alter role %I no%s', r.rolname, a.name)
    from ${who} w join pg_catalog.pg_roles r on r.oid = w.oid,
      lateral (values ('superuser', r.rolsuper), ('bypassrls', r.rolbypassrls), ('replication', r.rolreplication),
        ('createrole', r.rolcreaterole), ('createdb', r.rolcreatedb)) a(name, has)
    where a.has`
}

function memberships(context: AttackContext): string {
  return `
    select case when r.rolname in (${forbiddenRoles.map(quoteText).join(', ')}) then 'must-fail' else ${strict(context)} end,
      pg_catalog.format('"%s" is a member of "%s"', session_user, r.rolname),
      pg_catalog.format('revoke %I from %I', r.rolname, session_user)
    from ${who} r where r.rolname not in (session_user, ${quoteText(context.reader)})`
}

/** Grants do not bind an owner: he gives them to himself again. */
function ownership(context: AttackContext): string {
  const mend = `pg_catalog.format('reassign owned by %I to %I', w.rolname, ${quoteText(context.otherRoles[0] ?? 'the_owner')})`
  return `
    select 'must-fail', pg_catalog.format('"%s" owns %s', w.rolname,
        pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)), ${mend}
    from pg_catalog.pg_shdepend d join ${who} w on w.oid = d.refobjid
    where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and d.deptype = 'o'
      and (d.dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
        or d.classid = 'pg_catalog.pg_database'::pg_catalog.regclass)`
}

const relationName = `pg_catalog.format('%I.%I', n.nspname, c.relname)`
const ownRelations = `pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.oid in ${ownSchemas}`
const ofExtension = `exists (select from pg_catalog.pg_depend d
  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')`

function writableRelations(context: AttackContext): string {
  return `
    select distinct 'must-fail', pg_catalog.format('"%s" may write to %s', w.rolname, ${relationName}),
      pg_catalog.format('revoke %s on %s %s from %s', case when c.relkind = 'S' then 'usage, update' else 'insert, update, delete, truncate, references, trigger' end,
        case when c.relkind = 'S' then 'sequence' else 'table' end, ${relationName}, ${quoteText(granteesOf(context))})
    from ${ownRelations}, ${who} w
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and pg_catalog.has_schema_privilege(w.oid, n.oid, 'usage')
      and case when c.relkind = 'S' then pg_catalog.has_sequence_privilege(w.oid, c.oid, 'usage, update')
        else pg_catalog.has_table_privilege(w.oid, c.oid, 'insert, update, delete, truncate, trigger')
          or pg_catalog.has_any_column_privilege(w.oid, c.oid, 'insert, update') end`
}

/** Before 15 every database gives PUBLIC CREATE on schema public, and only a superuser can take it away. */
function creatableSchemas(context: AttackContext): string {
  return `
    select distinct case when n.nspname = 'public' and pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 150000
        then 'guard-only' else 'must-fail' end,
      pg_catalog.format('"%s" may create in schema "%s"', w.rolname, n.nspname),
      pg_catalog.format('revoke create on schema %I from %s', n.nspname, ${quoteText(granteesOf(context))})
    from pg_catalog.pg_namespace n, ${who} w
    where n.nspname !~ '^pg_(toast|temp)' and pg_catalog.has_schema_privilege(w.oid, n.oid, 'create')`
}

function foreignRelations(context: AttackContext): string {
  const served = [...context.schemas, ...(context.provisioned ?? []), filteredSchema].map(quoteText).join(', ')
  return `
    select distinct case when ${ofExtension} then 'guard-only' else ${strict(context)} end,
      pg_catalog.format('"%s" may read %s, which is not served', w.rolname, ${relationName}),
      pg_catalog.format('revoke all on table %s from %s', ${relationName}, ${quoteText(granteesOf(context))})
    from ${ownRelations}, ${who} w
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in (${served})
      and pg_catalog.has_schema_privilege(w.oid, n.oid, 'usage')
      and (pg_catalog.has_table_privilege(w.oid, c.oid, 'select') or pg_catalog.has_any_column_privilege(w.oid, c.oid, 'select'))`
}

/** Only the owner of a database can close it: must fail where that is the one who owns this database. */
function otherDatabases(context: AttackContext): string {
  return `
    select case when ${context.kind === 'managed'} and d.datdba = own.datdba and d.datname not in ('postgres', 'template1')
        then 'must-fail' else 'guard-only' end,
      pg_catalog.format('"%s" may connect to database "%s"', session_user, d.datname),
      pg_catalog.format('revoke connect on database %I from public, %I', d.datname, session_user)
    from pg_catalog.pg_database d, pg_catalog.pg_database own
    where own.datname = pg_catalog.current_database() and d.oid <> own.oid and d.datallowconn
      and pg_catalog.has_database_privilege(session_user, d.oid, 'connect')`
}

const signals = `
  select 'must-fail', pg_catalog.format('"%s" may end the sessions of "%s"', session_user, r.rolname),
    pg_catalog.format('revoke %I from %I', r.rolname, session_user)
  from pg_catalog.pg_roles r
  where r.rolname not in (session_user, current_user) and pg_catalog.pg_has_role(session_user, r.oid, 'usage')
    and exists (select from pg_catalog.pg_stat_activity a where a.usesysid = r.oid)`

const definerFunctions = `
  select distinct 'guard-only',
    pg_catalog.format('"%s" may call %s, which runs as "%s"', w.rolname, p.oid::pg_catalog.regprocedure, pg_catalog.pg_get_userbyid(p.proowner)),
    pg_catalog.format('revoke execute on function %s from public', p.oid::pg_catalog.regprocedure)
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace and n.oid in ${ownSchemas}, ${who} w
  where p.prosecdef and pg_catalog.has_schema_privilege(w.oid, n.oid, 'usage')
    and pg_catalog.has_function_privilege(w.oid, p.oid, 'execute')`

const outwards = `
  select distinct 'guard-only', pg_catalog.format('"%s" may use foreign server "%s"', w.rolname, s.srvname),
    pg_catalog.format('revoke usage on foreign server %I from public, %I', s.srvname, w.rolname)
  from pg_catalog.pg_foreign_server s, ${who} w where pg_catalog.has_server_privilege(w.oid, s.oid, 'usage')
  union
  select 'guard-only', pg_catalog.format('"%s" may call %s', w.rolname, p.oid::pg_catalog.regprocedure),
    pg_catalog.format('revoke execute on function %s from public', p.oid::pg_catalog.regprocedure)
  from pg_catalog.pg_proc p, ${who} w
  where p.proname ~ '^dblink' and pg_catalog.has_function_privilege(w.oid, p.oid, 'execute')`

function limits({ login }: AttackContext): string {
  return `
    select 'guard-only', pg_catalog.format('"%s" has no %s', session_user, s.name),
      pg_catalog.format('alter role %I set %s = %L', ${quoteText(login)}, s.name, '60s')
    from pg_catalog.pg_settings s
    where s.name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') and s.setting = '0'`
}
