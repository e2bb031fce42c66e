import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { checkName, duplicate, missing } from './names.ts'
import { checkText } from './texts.ts'

/** A tenant as the rows of others name him. */
export interface TenantRef {
  readonly id: string
  readonly name: string
}

export interface TenantRow {
  readonly id: string
  readonly name: string
  readonly instructions: string | null
  readonly createdAt: Date
  readonly disabledAt: Date | null
}

/** Agents read them at the start of every conversation. */
const instructionsMaxBytes = 8 * 1024

const columns = `t.id, t.name, t.instructions, t.created_at as "createdAt", t.disabled_at as "disabledAt"`

/** @throws SqlError 42602 for a bad name, 22023 for the instructions, 42710 where there is one of that name */
export async function addTenant(
  administration: Administration,
  tenant: { readonly name: string; readonly instructions?: string | undefined },
): Promise<TenantRow> {
  checkName('tenant', tenant.name)
  checkInstructions(tenant.instructions)
  return administer(administration, async client => {
    const added = await client.query<TenantRow>(
      `insert into postern.tenant as t (id, name, instructions) values ($1, $2, $3)
       on conflict (name) do nothing returning ${columns}`,
      [makeId(), tenant.name, tenant.instructions ?? null],
    )
    const row = added.rows[0]
    if (row === undefined) throw duplicate('tenant', tenant.name)
    return [row, { act: 'tenant add', tenant: row.name, tenantId: row.id }]
  })
}

export async function listTenants(pool: Pool): Promise<readonly TenantRow[]> {
  return (await pool.query<TenantRow>(`select ${columns} from postern.tenant t order by t.name`)).rows
}

/** @throws SqlError 42704 */
export async function findTenant(db: Pool | ClientBase, name: string): Promise<TenantRow> {
  const found = await db.query<TenantRow>(`select ${columns} from postern.tenant t where t.name = $1`, [name])
  const row = found.rows[0]
  if (row === undefined) throw missing('tenant', name)
  return row
}

/** What agents are told about this tenant; null: nothing. @throws SqlError 22023, 42704 */
export async function setTenantInstructions(
  administration: Administration,
  name: string,
  instructions: string | null,
): Promise<TenantRow> {
  checkInstructions(instructions)
  return administer(administration, async client => {
    const set = await client.query<TenantRow>(
      `update postern.tenant t set instructions = $2 where t.name = $1 returning ${columns}`,
      [name, instructions],
    )
    const row = set.rows[0]
    if (row === undefined) throw missing('tenant', name)
    const detail = { bytes: instructions === null ? 0 : Buffer.byteLength(instructions) }
    return [row, { act: 'tenant instructions', tenant: row.name, tenantId: row.id, detail }]
  })
}

function checkInstructions(text: string | null | undefined): void {
  if (text !== null && text !== undefined) {
    checkText('the instructions', text, { maxBytes: instructionsMaxBytes, lines: true })
  }
}

/** Reversible: nobody of the tenant comes in, and what is open ends. @throws SqlError 42704 */
export function setTenantDisabled(administration: Administration, name: string, disabled: boolean): Promise<TenantRow> {
  return administer(administration, async client => {
    const set = await client.query<TenantRow>(
      `update postern.tenant t set disabled_at = case when $2 then coalesce(t.disabled_at, now()) end
       where t.name = $1 returning ${columns}`,
      [name, disabled],
    )
    const row = set.rows[0]
    if (row === undefined) throw missing('tenant', name)
    return [row, { act: disabled ? 'tenant disable' : 'tenant enable', tenant: row.name, tenantId: row.id }]
  })
}

/**
 * Removes a tenant, and with `drop` (his name, typed again) all that Postern knows of his users, his external databases
 * and what was written about his data.
 * Managed databases must be dropped before, by the provisioner. The audit log stays.
 * @throws SqlError 42704; 2BP01 where anything remains
 */
export function removeTenant(administration: Administration, name: string, drop?: string): Promise<TenantRow> {
  return administer(administration, async client => {
    const tenant = await findTenant(client, name)
    const remains = await remainsOf(client, tenant.id)
    refuseWhileAnythingRemains(tenant.name, remains, drop)
    await client.query('delete from postern.database where tenant_id = $1', [tenant.id])
    await client.query(
      'delete from postern.server s where s.private and not exists (select from postern.database d where d.server_id = s.id)',
    )
    await client.query('delete from postern.membership where tenant_id = $1', [tenant.id])
    await client.query(
      'delete from postern.principal p where not exists (select from postern.membership m where m.principal_id = p.id)',
    )
    // What was written about his data goes with him.
    await client.query('delete from postern.tenant where id = $1', [tenant.id])
    const { users, texts } = remains
    const detail = {
      databases: remains.databases.map(database => database.alias),
      users,
      ...(texts > 0 ? { texts } : {}),
    }
    return [tenant, { act: 'tenant remove', tenant: tenant.name, tenantId: tenant.id, detail }]
  })
}

interface Remains {
  readonly databases: readonly { readonly alias: string; readonly made: boolean }[]
  readonly users: readonly string[]
  /** Entities, relationships, metrics, table knowledge, general entries and learnings. */
  readonly texts: number
}

async function remainsOf(client: ClientBase, tenantId: string): Promise<Remains> {
  const databases = await client.query<{ alias: string; made: boolean }>(
    `select d.alias, d.kind = 'managed' and d.provisioned_at is not null as made
     from postern.database d where d.tenant_id = $1 order by d.alias`,
    [tenantId],
  )
  const users = await client.query<{ login: string }>(
    'select m.login from postern.membership m where m.tenant_id = $1 order by m.login',
    [tenantId],
  )
  const texts = await client.query<{ count: number }>(
    `select ((select count(*) from postern.semantic_entry where tenant_id = $1)
           + (select count(*) from postern.table_knowledge where tenant_id = $1)
           + (select count(*) from postern.knowledge_entry where tenant_id = $1)
           + (select count(*) from postern.learning where tenant_id = $1))::integer as count`,
    [tenantId],
  )
  return { databases: databases.rows, users: users.rows.map(row => row.login), texts: texts.rows[0]?.count ?? 0 }
}

function refuseWhileAnythingRemains(name: string, remains: Remains, drop: string | undefined): void {
  const { databases, users, texts } = remains
  const made = databases.filter(database => database.made)
  const message = `tenant ${JSON.stringify(name)} still has databases (${databases.length}), users (${users.length}) or knowledge (${texts})`
  if (made.length > 0) {
    const hint = `Drop the managed databases first: ${made.map(database => database.alias).join(', ')}.`
    throw new SqlError({ code: '2BP01', message, hint })
  }
  if (databases.length + users.length + texts === 0 || drop === name) return
  throw new SqlError({
    code: '2BP01',
    message,
    detail: [
      ...databases.map(database => `database ${database.alias}`),
      ...users.map(login => `user ${login}`),
      ...(texts > 0 ? [`texts of knowledge: ${texts}`] : []),
    ].join('\n'),
    hint: `Remove them, or type the tenant's name to drop them with it. To shut it without removing anything, disable it.`,
  })
}
