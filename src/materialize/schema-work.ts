/** Making and dropping a provisioned schema: claim, do, then flip, with nobody else at the same schema meanwhile. */
import type { PoolClient } from 'pg'
import { type Actor, type Administration, administer } from '../control/administration.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import { findDatabase } from '../control/database-rows.ts'
import { makeId } from '../control/ids.ts'
import { cancelled, SchemaLocks } from '../control/schema-locks.ts'
import {
  claimForDrop,
  claimForMaking,
  endDrop,
  holdsClaim,
  insertSchema,
  moveSchema,
  type SchemaStep,
} from '../control/schema-states.ts'
import {
  countSchemas,
  findOwnSchema,
  readSchema,
  type SchemaEnd,
  type SchemaState,
  setSchemaAccess,
  type TenantSchemaRow,
  touchSchema,
} from '../control/tenant-schemas.ts'
import { SqlError, toSqlError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import {
  createSchema,
  describeSchema,
  dropSchema,
  type SchemaContent,
  type SchemaTarget,
} from '../provision/schemas.ts'
import { busyReading, checkQuota, notDroppable, type SchemaLimits, takenOver } from './schema-rules.ts'

export interface SchemaParts {
  readonly administration: Omit<Administration, 'actor'>
  readonly limits: SchemaLimits
  /** How the provisioner reaches a database. @throws SqlError 55000 where it has no credentials for it */
  readonly targetOf: (row: DatabaseRow) => SchemaTarget
  /** What may be read in a database has changed: resolves when this process serves it so. */
  readonly changed: (databaseId: string) => Promise<void>
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
}

/** Somebody's wish for a schema. */
export interface SchemaWish {
  readonly ownerId: string
  readonly owner: string
  readonly name: string
  readonly purpose: string
  readonly private: boolean | undefined
  readonly ttlSeconds: number | undefined
}

export class SchemaWork {
  readonly locks: SchemaLocks
  readonly #parts: SchemaParts

  constructor(parts: SchemaParts) {
    this.#parts = parts
    this.locks = new SchemaLocks(parts.administration.pool)
  }

  /**
   * Makes the schema, or finds it made.
   * @throws SqlError 53400 at a quota, 55006 while somebody else is at it, 58000 where the database refuses
   */
  async make(row: DatabaseRow, wish: SchemaWish, actor: Actor): Promise<{ id: string; created: boolean }> {
    const target = this.#parts.targetOf(row)
    const made = await this.locks.hold(row.id, wish.name, async client => {
      const known = await findOwnSchema(client, { databaseId: row.id, ...wish })
      if (known !== undefined && (await touchSchema(client, known.id))) {
        await setSchemaAccess(client, known.id, wish)
        return { id: known.id, created: false }
      }
      const { id, claim } = await this.#begin(row, wish, known, actor)
      await this.#create(client, target, wish.name, { id, claim, dropFirst: known?.state === 'teardown' })
      return { id, created: true }
    })
    await this.#parts.changed(row.id)
    return made
  }

  /** Within its quota it is written down as being made. Acts come one after the other, so no two take the last place. */
  #begin(
    row: DatabaseRow,
    wish: SchemaWish,
    known: TenantSchemaRow | undefined,
    actor: Actor,
  ): Promise<{ id: string; claim: string }> {
    const { limits, administration } = this.#parts
    const claim = makeId()
    const id = known?.id ?? makeId()
    const isPrivate = wish.private ?? false
    const ttlSeconds = wish.ttlSeconds ?? limits.ttlHours * 3_600
    return administer({ ...administration, actor }, async client => {
      checkQuota(await countSchemas(client, { tenantId: row.tenantId, ownerId: wish.ownerId }), known, limits)
      const schema = { ...wish, private: isPrivate, ttlSeconds, claim }
      if (known === undefined) await insertSchema(client, { ...schema, id, tenantId: row.tenantId, databaseId: row.id })
      else if (!(await claimForMaking(client, id, schema))) throw takenOver(wish.name)
      const detail = { schema: wish.name, purpose: wish.purpose, owner: wish.owner, private: isPrivate, ttlSeconds }
      return [
        { id, claim },
        { ...aboutDatabase(row), act: 'schema provision', detail },
      ]
    })
  }

  async #create(
    client: PoolClient,
    target: SchemaTarget,
    name: string,
    o: { readonly id: string; readonly claim: string; readonly dropFirst: boolean },
  ): Promise<void> {
    const confirm = () => confirmClaim(client, o.id, o.claim, name)
    try {
      if (o.dropFirst) await dropSchema(target, name, confirm)
      await createSchema(target, name, confirm)
    } catch (error) {
      const told = this.#told(error, name, 'made')
      await this.#putBack(
        client,
        { id: o.id, name },
        {
          from: ['provisioning'],
          to: 'failed',
          held: o.claim,
          claim: null,
          error: told.message,
        },
      )
      throw told
    }
    const step = { from: ['provisioning'], to: 'active', held: o.claim, claim: null, touch: true } as const
    if (!(await moveSchema(client, o.id, step))) throw takenOver(name)
  }

  /**
   * Drops a schema: 'unused' only where nobody has used it for as long as it is kept, 'lost' only what was cut short. What
   * fails leaves it as it was.
   * @throws SqlError 3F000 where it is gone, 55006 where a run holds it or it is in use, 2BP01 where something is built on it
   */
  async drop(
    id: string,
    by: SchemaEnd,
    actor: Actor,
    o: { readonly signal?: AbortSignal | undefined; readonly waitMs?: number } = {},
  ): Promise<TenantSchemaRow | undefined> {
    const { administration } = this.#parts
    const found = await readSchema(administration.pool, id)
    if (found === undefined) return undefined
    const dropped = await this.locks.hold(
      found.databaseId,
      found.name,
      async client => {
        const row = (await readSchema(client, id)) ?? found
        const database = await findDatabase(client, row.tenantName, row.database)
        const target = this.#parts.targetOf(database)
        const claim = await this.#claim(row, target, by, actor)
        await this.#dropClaimed(client, target, row, { claim, signal: o.signal })
        await administer({ ...administration, actor }, async transaction => {
          if (!(await endDrop(transaction, id, claim))) throw takenOver(row.name)
          return [undefined, { ...aboutDatabase(database), act: 'schema dropped', detail: aboutSchema(row, by) }]
        })
        return await readSchema(client, id)
      },
      o,
    )
    await this.#parts.changed(found.databaseId)
    return dropped
  }

  /** @throws SqlError 08006, 58000 where the database does not answer */
  async describe(target: SchemaTarget, name: string): Promise<SchemaContent> {
    try {
      return await describeSchema(target, name)
    } catch (error) {
      throw this.#told(error, name, 'looked at')
    }
  }

  /** What will go is in the audit log before it goes. */
  async #claim(row: TenantSchemaRow, target: SchemaTarget, by: SchemaEnd, actor: Actor): Promise<string> {
    const { tables, dependents } = await this.describe(target, row.name)
    const claim = makeId()
    const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
    const detail = { ...aboutSchema(row, by), tables: tables.length, bytes, dependents: dependents.length }
    return await administer({ ...this.#parts.administration, actor }, async client => {
      if (!(await claimForDrop(client, row.id, by, claim))) throw notDroppable(row, by)
      return [
        claim,
        { act: 'schema teardown', tenant: row.tenantName, tenantId: row.tenantId, database: row.database, detail },
      ]
    })
  }

  async #dropClaimed(
    client: PoolClient,
    target: SchemaTarget,
    row: TenantSchemaRow,
    o: { readonly claim: string; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    try {
      await dropSchema(target, row.name, async () => {
        if (o.signal?.aborted === true) throw cancelled()
        await confirmClaim(client, row.id, o.claim, row.name)
      })
    } catch (error) {
      const told = this.#told(error, row.name, 'dropped')
      const to = stateBefore(row.state)
      const endedBy = to === 'teardown' ? row.endedBy : null
      await this.#putBack(client, row, {
        from: ['teardown'],
        to,
        held: o.claim,
        claim: null,
        endedBy,
        error: told.message,
      })
      throw told
    }
  }

  /** Where not even that can be written down, the sweep finds it. */
  async #putBack(
    client: PoolClient,
    schema: { readonly id: string; readonly name: string },
    step: SchemaStep,
  ): Promise<void> {
    try {
      await moveSchema(client, schema.id, step)
    } catch (error) {
      this.#parts.log.error({ error, schema: schema.name }, 'the state of a provisioned schema could not be put back')
    }
  }

  /** What the user is told: nothing of roles and servers. The log has the cause. */
  #told(error: unknown, name: string, what: 'made' | 'dropped' | 'looked at'): SqlError {
    const { code, message } = toSqlError(error)
    if (error instanceof SqlError && /^(42602|42P06|2BP01|55006|57014)$/.test(code)) return error
    this.#parts.log.error({ error, schema: name }, `a provisioned schema could not be ${what}`)
    if (code === '55P03') return busyReading(name)
    const unreachable = code.startsWith('08') || code.startsWith('57P')
    return new SqlError({
      code: unreachable ? '08006' : '58000',
      message: unreachable ? 'the database cannot be reached' : `schema "${name}" could not be ${what}`,
      hint: unreachable ? 'Try again later.' : 'The cause is in the server log.',
      cause: message,
    })
  }
}

/** Where a drop that failed leaves it. What a process that died had begun stays to be finished. */
function stateBefore(state: SchemaState): SchemaState {
  switch (state) {
    case 'active':
    case 'materializing':
      return 'active'
    case 'teardown':
      return 'teardown'
    case 'provisioning':
    case 'expired':
    case 'failed':
      return 'failed'
  }
}

async function confirmClaim(client: PoolClient, id: string, claim: string, name: string): Promise<void> {
  if (!(await holdsClaim(client, id, claim))) throw takenOver(name)
}

function aboutDatabase(row: DatabaseRow): { tenant: string; tenantId: string; database: string } {
  return { tenant: row.tenantName, tenantId: row.tenantId, database: row.alias }
}

function aboutSchema(row: TenantSchemaRow, by: string): Record<string, unknown> {
  return { schema: row.name, purpose: row.purpose, owner: row.owner, by }
}
