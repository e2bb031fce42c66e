/** Schemas that users provision for themselves, from the first request to the day that nobody uses them any more. */
import { randomUUID } from 'node:crypto'
import type { Actor } from '../control/administration.ts'
import { findDatabase } from '../control/database-rows.ts'
import { listUnused } from '../control/schema-states.ts'
import {
  findOwnSchema,
  findSchema,
  isDatabasesOwn,
  listSchemas,
  readSchema,
  setSchemaAccess,
  setSchemaPinned,
  type TenantSchemaRow,
  touchSchema,
} from '../control/tenant-schemas.ts'
import { SqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import { provisionedSchemaName } from '../provision/names.ts'
import { measureSchemas, type SchemaTable } from '../provision/schemas.ts'
import type { ServedDatabase } from '../session/served-database.ts'
import { checkProvisionable, checkPurpose, gone, missing, notProvisioned, notYours } from './schema-rules.ts'
import { type SweepFinding, sweepSchemas } from './schema-sweep.ts'
import { SchemaTouches } from './schema-touches.ts'
import { type SchemaParts, SchemaWork } from './schema-work.ts'

/** A provisioned schema. Its `id` is the handle. */
export interface SchemaRow extends TenantSchemaRow {
  /** Absent: it is not there, or could not be measured. */
  readonly bytes?: number | undefined
}

export interface SchemaPreview {
  readonly schema: SchemaRow
  readonly tables: readonly SchemaTable[]
  readonly bytes: number
  /** Objects of other schemas that are built on it, as Postgres names them. While there are any it cannot be dropped. */
  readonly dependents: readonly string[]
}

export interface SchemaRequest {
  readonly purpose: string
  /** Read by its owner alone. Absent: as it is, for a new one false. */
  readonly private?: boolean | undefined
  /** Kept so long without use. Absent: as it is, for a new one the configured time. */
  readonly ttlHours?: number | undefined
}

/** The caller as far as it matters here. `id` null: the operator, who owns no schema. */
export type SchemaCaller = Pick<Principal, 'tenant' | 'tenantName' | 'name' | 'login' | 'scopes'> & {
  readonly id: string | null
}

type SchemaDatabase = Pick<ServedDatabase, 'id' | 'alias' | 'tenant'>

export class Schemas {
  readonly #parts: SchemaParts
  readonly #door: string
  readonly #work: SchemaWork
  readonly #touches: SchemaTouches

  /** @param door what the audit log names as the way in: 'mcp', 'cli', 'job' */
  constructor(parts: SchemaParts, door: string) {
    this.#parts = parts
    this.#door = door
    this.#work = new SchemaWork(parts)
    this.#touches = new SchemaTouches(parts.administration.pool, parts.log)
  }

  /**
   * The caller's schema for this purpose: the one that stands, or a new and empty one.
   * @throws SqlError 22023 for the purpose or the time, 55000 where the database takes none, 53400 at a quota
   */
  async provision(
    principal: SchemaCaller & { readonly id: string },
    database: SchemaDatabase,
    request: SchemaRequest,
  ): Promise<{ readonly schema: SchemaRow; readonly created: boolean }> {
    const { pool } = this.#parts.administration
    const purpose = checkPurpose(request.purpose)
    const ttlSeconds = this.#ttlSeconds(request.ttlHours)
    const row = await findDatabase(pool, principal.tenantName, database.alias)
    checkProvisionable(row)
    const known = await findOwnSchema(pool, { databaseId: row.id, ownerId: principal.id, purpose })
    const readable = { tenant: principal.tenantName, user: principal.name, purpose }
    const name = known?.name ?? provisionedSchemaName(readable, { databaseId: row.id, principalId: principal.id })
    const access = { private: request.private, ttlSeconds }
    const stands = known !== undefined && isServed(known) && (await touchSchema(pool, known.id))
    let made = { id: known?.id ?? '', created: false }
    if (stands) await this.#setAccess(known, access)
    else {
      const wish = { ownerId: principal.id, owner: principal.login, name, purpose, ...access }
      made = await this.#work.make(row, wish, this.#actor(principal))
    }
    const schema = await readSchema(pool, made.id)
    if (schema === undefined) throw gone(name)
    return { schema, created: made.created }
  }

  /**
   * The caller's own schemas, in one database or in all of his tenant's; `all`: those of others too that he may read, for
   * an admin every one. What was torn down is left out, what has expired is listed.
   */
  async list(
    principal: SchemaCaller,
    database?: SchemaDatabase,
    o: { readonly all?: boolean | undefined } = {},
  ): Promise<readonly SchemaRow[]> {
    const of = { tenantId: principal.tenant, databaseId: database?.id }
    const rows = (await listSchemas(this.#parts.administration.pool, of)).filter(row => {
      const shown = o.all === true ? maySee(principal, row) : row.ownerId === principal.id
      return shown && !(row.state === 'expired' && row.endedBy !== 'unused')
    })
    return await this.#measured(rows)
  }

  /** What a teardown would drop. @throws SqlError 3F000, 42501 as {@link teardown} */
  async preview(principal: SchemaCaller, nameOrHandle: string): Promise<SchemaPreview> {
    const schema = await this.#droppable(principal, nameOrHandle)
    const row = await findDatabase(this.#parts.administration.pool, schema.tenantName, schema.database)
    const { tables, dependents } = await this.#work.describe(this.#parts.targetOf(row), schema.name)
    const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
    return { schema: { ...schema, bytes }, tables, bytes, dependents }
  }

  /**
   * Drops a schema with all that it holds. What is known of it by name stays. An abort of `signal` before it is done leaves
   * it as it was.
   * @throws SqlError 3F000 where there is none, 42501 for somebody else's or a database's own, 55006 where a run holds it,
   * 2BP01 where something of another schema is built on it
   */
  async teardown(principal: SchemaCaller, nameOrHandle: string, signal?: AbortSignal): Promise<SchemaRow> {
    const schema = await this.#droppable(principal, nameOrHandle)
    const dropped = await this.#work.drop(schema.id, 'teardown', this.#actor(principal), { signal })
    if (dropped === undefined) throw missing(nameOrHandle)
    return dropped
  }

  /**
   * The provisioned schema of this name or handle, which counts as used; undefined where the name is of none, or of one
   * that the caller may not read.
   * @throws SqlError 3F000 where it has expired, or a handle is of none; 55006 while it is being made
   */
  async resolve(
    principal: SchemaCaller,
    database: SchemaDatabase,
    nameOrHandle: string,
  ): Promise<SchemaRow | undefined> {
    const { pool } = this.#parts.administration
    const found = await findSchema(pool, principal.tenant, nameOrHandle)
    const isHandle = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(nameOrHandle)
    const row = found !== undefined && mayRead(principal, found) ? found : undefined
    if (row === undefined) {
      if (isHandle) throw missing(nameOrHandle)
      return undefined
    }
    if (row.databaseId !== database.id) {
      if (!isHandle) return undefined
      const hint = `It is in database "${row.database}".`
      throw new SqlError({ code: '3F000', message: `schema "${row.name}" is not in "${database.alias}"`, hint })
    }
    if (row.state === 'provisioning')
      throw new SqlError({ code: '55006', message: `schema "${row.name}" is being made`, hint: 'Try again shortly.' })
    if (!isServed(row) || !(await touchSchema(pool, row.id))) throw gone(row.name, row.purpose)
    return row
  }

  /** Statements have used these schemas of the database, provisioned or not. Written down a few seconds later. */
  touch(databaseId: string, schemas: Iterable<string>): void {
    this.#touches.note(databaseId, schemas)
  }

  /** A pinned schema does not expire. For admins. @throws SqlError 3F000, 42501 */
  async pin(principal: SchemaCaller, nameOrHandle: string, pinned: boolean): Promise<SchemaRow> {
    const { pool } = this.#parts.administration
    const row = await this.#droppable(principal, nameOrHandle)
    if (!principal.scopes.has('admin')) throw notYours(row.name)
    await setSchemaPinned(pool, row.id, pinned)
    return (await readSchema(pool, row.id)) ?? row
  }

  /** Counts as used now. For its owner and admins. @throws SqlError 3F000, 42501 */
  async keep(principal: SchemaCaller, nameOrHandle: string): Promise<SchemaRow> {
    const { pool } = this.#parts.administration
    const row = await this.#droppable(principal, nameOrHandle)
    if (!(await touchSchema(pool, row.id))) throw gone(row.name, row.purpose)
    return (await readSchema(pool, row.id)) ?? row
  }

  /** Handles of schemas that nobody has used for longer than they are kept. */
  async unused(): Promise<readonly string[]> {
    return (await listUnused(this.#parts.administration.pool)).map(({ id }) => id)
  }

  /** Drops a schema where it is still unused. @throws SqlError 55006 where it is not, and as {@link teardown} */
  async expire(handle: string): Promise<void> {
    await this.#work.drop(handle, 'unused', systemActor())
  }

  /**
   * Finishes what processes that died have left half done, and looks for schemas without a row and rows without a schema;
   * these are mended with `fix` alone. What somebody works on just now is passed over.
   */
  sweep(o: { readonly fix: boolean }): Promise<readonly SweepFinding[]> {
    return sweepSchemas(this.#parts, this.#work, systemActor(), o.fix)
  }

  /** Writes down what was used. */
  async close(): Promise<void> {
    await this.#touches.close()
  }

  async #setAccess(
    row: TenantSchemaRow,
    access: { readonly private: boolean | undefined; readonly ttlSeconds: number | undefined },
  ): Promise<void> {
    await setSchemaAccess(this.#parts.administration.pool, row.id, access)
    if (access.private !== undefined && access.private !== row.private) await this.#parts.changed(row.databaseId)
  }

  #ttlSeconds(hours: number | undefined): number | undefined {
    if (hours === undefined) return undefined
    const { ttlHoursMax } = this.#parts.limits
    if (hours > 0 && hours <= ttlHoursMax) return Math.ceil(hours * 3_600)
    throw new SqlError({ code: '22023', message: `a schema is kept for 1 to ${ttlHoursMax} hours without use` })
  }

  /** @throws SqlError 3F000 also where the caller may not know of it, 42501 where he may and it is not his */
  async #droppable(principal: SchemaCaller, nameOrHandle: string): Promise<TenantSchemaRow> {
    const { pool } = this.#parts.administration
    const row = await findSchema(pool, principal.tenant, nameOrHandle)
    if (row === undefined) {
      if (await isDatabasesOwn(pool, principal.tenant, nameOrHandle)) throw notProvisioned(nameOrHandle)
      throw missing(nameOrHandle)
    }
    if (!maySee(principal, row)) throw missing(nameOrHandle)
    if (row.state === 'expired') throw gone(row.name, row.purpose)
    if (row.ownerId !== principal.id && !principal.scopes.has('admin')) throw notYours(row.name)
    return row
  }

  /** A database that cannot be reached leaves its schemas unmeasured. */
  async #measured(rows: readonly TenantSchemaRow[]): Promise<readonly SchemaRow[]> {
    const { administration, targetOf, log } = this.#parts
    const standing = rows.filter(isServed)
    const sizes = new Map<string, number>()
    for (const databaseId of new Set(standing.map(row => row.databaseId))) {
      const here = standing.filter(row => row.databaseId === databaseId)
      const [first] = here
      if (first === undefined) continue
      try {
        const target = targetOf(await findDatabase(administration.pool, first.tenantName, first.database))
        for (const [name, bytes] of await measureSchemas(
          target,
          here.map(row => row.name),
        ))
          sizes.set(`${databaseId} ${name}`, bytes)
      } catch (error) {
        log.warn({ error, database: first.database }, 'provisioned schemas could not be measured')
      }
    }
    return rows.map(row => ({ ...row, bytes: sizes.get(`${row.databaseId} ${row.name}`) }))
  }

  #actor(principal: SchemaCaller): Actor {
    return {
      door: this.#door,
      principal: principal.login,
      principalId: principal.id ?? undefined,
      session: randomUUID(),
      requestId: randomUUID(),
    }
  }
}

function systemActor(): Actor {
  return { door: 'job', session: randomUUID(), requestId: randomUUID() }
}

function isServed(row: TenantSchemaRow): boolean {
  return row.state === 'active' || row.state === 'materializing'
}

/** The guard's rule: an admin does not read what is private either. */
function mayRead(principal: SchemaCaller, row: TenantSchemaRow): boolean {
  return !row.private || row.ownerId === principal.id
}

function maySee(principal: SchemaCaller, row: TenantSchemaRow): boolean {
  return mayRead(principal, row) || principal.scopes.has('admin')
}
