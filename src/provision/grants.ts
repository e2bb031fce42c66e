/** Who may read which table: live reads whole tables, the reader what the policy leaves it. Grants that stand are not touched. */
import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { Query } from './administrator.ts'
import type { DatabaseRoles } from './names.ts'
import { quoteName, quoteRelation } from './quote.ts'
import { attempt } from './roles.ts'

export interface GrantedRelation {
  readonly schema: string
  readonly name: string
  /** pg_class.relkind: r p v m f */
  readonly kind: string
  readonly columns: readonly string[]
}

/** What the reader may read of a relation: all of it, nothing, or these columns. */
export type ReaderGrant = 'all' | 'none' | readonly string[]

export interface TableGrants {
  readonly roles: DatabaseRoles
  readonly schemas: readonly string[]
  readonly readerGrant: (relation: GrantedRelation) => ReaderGrant
  /** True where the database is ours: PUBLIC may read none of its tables. */
  readonly closePublic: boolean
}

export interface GrantOutcome {
  /** Statements that ran. */
  readonly changes: number
  /** Statements that the administrator may not run, for the tables' owner or a superuser. */
  readonly refused: readonly string[]
}

/** Everything but foreign tables, whole: the rule of a database without a policy. */
export function grantAll(relation: GrantedRelation): ReaderGrant {
  return relation.kind === 'f' ? 'none' : 'all'
}

/**
 * Brings the grants on every table, view and materialized view of the schemas to what they must be. Runs inside the
 * caller's transaction (the one that makes the tables, or a swap's); running it again changes nothing.
 */
export async function grantTables(query: Query, grants: TableGrants): Promise<GrantOutcome> {
  const relations = await readGrants(query, grants)
  const refused: string[] = []
  let changes = 0
  for (const relation of relations) {
    for (const statement of grantStatements(relation, grants)) {
      if (await attempt(query, statement)) changes += 1
      else refused.push(statement)
    }
  }
  return { changes, refused }
}

const grantee = z.enum(['public', 'live', 'reader', 'gate'])
type Grantee = z.infer<typeof grantee>

const relationRow = z.object({
  schema: z.string(),
  name: z.string(),
  kind: z.string(),
  columns: z.array(z.string()),
  granted: z.array(z.object({ grantee, privilege: z.string(), column: z.string().nullable() })),
})
type RelationRow = z.infer<typeof relationRow>

async function readGrants(query: Query, grants: TableGrants): Promise<RelationRow[]> {
  const { live, reader, gate } = grants.roles
  const [row] = await query(
    `with role(grantee, oid) as (
       select 'public', 0::oid union all
       select w.grantee, r.oid from (values ('live', $2), ('reader', $3), ('gate', $4)) w(grantee, name)
         join pg_catalog.pg_roles r on r.rolname = w.name),
     relation as (
       select c.*, n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm', 'f')),
     granted as (
       select c.oid, role.grantee, a.privilege_type as privilege, null::text as "column"
         from relation c, pg_catalog.aclexplode(c.relacl) a, role where role.oid = a.grantee
       union all
       select c.oid, role.grantee, a.privilege_type, t.attname
         from relation c join pg_catalog.pg_attribute t on t.attrelid = c.oid and t.attacl is not null,
              pg_catalog.aclexplode(t.attacl) a, role where role.oid = a.grantee)
     select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'schema', c.nspname, 'name', c.relname, 'kind', c.relkind,
         'columns', array(select t.attname from pg_catalog.pg_attribute t
                           where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped order by t.attnum),
         'granted', (select coalesce(pg_catalog.json_agg(g), '[]') from granted g where g.oid = c.oid))
         order by c.nspname, c.relname), '[]')
       from relation c`,
    [[...grants.schemas], live, reader, gate],
  )
  const parsed = z.array(relationRow).safeParse(JSON.parse(row?.[0] ?? '[]'))
  if (parsed.success) return parsed.data
  throw new SqlError({ code: 'XX000', message: 'the grants of the database could not be read', cause: parsed.error })
}

function grantStatements(relation: RelationRow, grants: TableGrants): string[] {
  const wanted = grants.readerGrant(relation)
  const liveWanted = relation.kind === 'f' && wanted === 'none' ? 'none' : 'all'
  return [
    ...(grants.closePublic ? changeGrant(relation, 'public', 'public', 'none') : []),
    ...changeGrant(relation, 'gate', quoteName(grants.roles.gate), 'none'),
    ...changeGrant(relation, 'live', quoteName(grants.roles.live), liveWanted),
    ...changeGrant(relation, 'reader', quoteName(grants.roles.reader), wanted),
  ]
}

/** Revoked whole first: taking columns from a grant on the table does nothing. */
function changeGrant(relation: RelationRow, to: Grantee, role: string, wanted: ReaderGrant): string[] {
  const table = `table ${quoteRelation(relation.schema, relation.name)}`
  const stands = relation.granted.filter(granted => granted.grantee === to).map(key)
  const target = wantedKeys(relation, wanted)
  if (stands.length === target.length && target.every(one => stands.includes(one))) return []
  const revoke = stands.length > 0 ? [`revoke all on ${table} from ${role} cascade`] : []
  if (wanted === 'none' || target.length === 0) return revoke
  const columns = wanted === 'all' ? '' : ` (${kept(relation, wanted).map(quoteName).join(', ')})`
  return [...revoke, `grant select${columns} on ${table} to ${role}`]
}

function wantedKeys(relation: RelationRow, wanted: ReaderGrant): string[] {
  if (wanted === 'none') return []
  if (wanted === 'all') return [key({ privilege: 'SELECT', column: null })]
  return kept(relation, wanted).map(column => key({ privilege: 'SELECT', column }))
}

function kept(relation: RelationRow, wanted: readonly string[]): string[] {
  return relation.columns.filter(column => wanted.includes(column))
}

function key({ privilege, column }: { privilege: string; column: string | null }): string {
  return JSON.stringify([privilege, column])
}
