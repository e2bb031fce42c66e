/** Pipelines and their runs, as those who may see a tenant's data see them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase, Pool } from 'pg'
import { makeId } from '../control/ids.ts'
import type { Knobs } from '../control/pipelines.ts'
import {
  findByKey,
  findUnfinished,
  insertRun,
  type LoadRow,
  type NewRun,
  type RunStep,
  readLatest,
  readLoads,
  readLog,
  readRun,
  readSteps,
  requestCancel,
  type RunRow as StoredRun,
} from '../control/runs.ts'
import { cancelled } from '../control/schema-locks.ts'
import { readSchema, touchSchema } from '../control/tenant-schemas.ts'
import { SqlError } from '../errors.ts'
import type { CallerDatabase } from '../session/callers.ts'
import { inTransaction } from '../transaction.ts'
import {
  checkEntities,
  choosePipeline,
  configurePipeline,
  listPipelines,
  missing,
  type PipelineRow,
} from './pipelines.ts'
import type { PipelineRegistry } from './registry.ts'
import type { SchemaCaller, Schemas } from './schemas.ts'

/** A run with what it has done. */
export interface RunRow extends StoredRun {
  readonly steps: readonly RunStep[]
  /** The end of what it has said. */
  readonly log: readonly string[]
}

export interface RunRequest {
  readonly pipeline: string
  /** Which of the tenant's connectors; absent: the only one. */
  readonly connector?: string | undefined
  readonly entities?: readonly string[] | undefined
  readonly database: Pick<CallerDatabase, 'id' | 'alias' | 'tenant' | 'about'>
  /** By its real name; or the handle of a provisioned one. */
  readonly schema: string
  readonly params?: Knobs | undefined
  readonly idempotencyKey?: string | undefined
}

/** What makes runs happen: adds the job in the transaction that queues the run. */
export interface Materializer {
  enqueue(client: ClientBase, run: NewRun): Promise<void>
}

export interface RunsOptions {
  readonly control: Pool
  readonly schemas: Pick<Schemas, 'resolve'>
  readonly registry: PipelineRegistry
  /** Undefined: runs cannot be started here. */
  readonly materializer: Materializer | undefined
}

const logLinesMax = 50
const stopAskedEveryMs = 200
const keyMaxChars = 200

export class Runs {
  readonly #options: RunsOptions

  constructor(options: RunsOptions) {
    this.#options = options
  }

  /** The pipelines that the tenant has connectors for. */
  pipelines(principal: SchemaCaller): Promise<readonly PipelineRow[]> {
    return listPipelines(this.#options, principal.tenant)
  }

  /**
   * Replaces what is set for a connector of a pipeline.
   * @throws SqlError 42704 for pipeline or connector, 22023 for settings that its type does not allow
   */
  async configure(
    principal: SchemaCaller,
    pipeline: string,
    connector: string | undefined,
    knobs: Knobs,
  ): Promise<{ readonly pipeline: string; readonly connector: string; readonly knobs: Knobs }> {
    return await configurePipeline(this.#options, principal.tenant, {
      pipeline,
      connector,
      knobs,
      by: principal.login,
    })
  }

  /**
   * Queues a run; with a key that was used before, the run that it began.
   * @throws SqlError 42704 for pipeline or connector, 22023 for what it does not have, 3F000 for the schema, 55006 where
   * the schema has a run that has not ended, 57P03 where runs cannot be started
   */
  async start(principal: SchemaCaller & { readonly id: string }, request: RunRequest): Promise<RunRow> {
    const { control, materializer, schemas } = this.#options
    const chosen = await choosePipeline(this.#options, principal.tenant, request)
    checkEntities(chosen.definition, request.entities)
    const before = await this.#begun(principal, request)
    if (before !== undefined) return await this.#whole(before)
    const provisioned = await schemas.resolve(principal, request.database, request.schema)
    const schema = provisioned?.name ?? request.schema
    if (provisioned === undefined && !request.database.about.schemas.includes(schema))
      throw new SqlError({ code: '3F000', message: `schema ${JSON.stringify(schema)} does not exist` })
    if (provisioned !== undefined && provisioned.ownerId !== principal.id && !principal.scopes.has('admin'))
      throw new SqlError({ code: '42501', message: `schema "${schema}" is somebody else's` })
    const unfinished = await findUnfinished(control, request.database.id, schema)
    if (unfinished !== undefined) return await this.#begunOrBusy(principal, request, unfinished)
    if (materializer === undefined) throw unavailable()
    const run: NewRun = {
      id: makeId(),
      tenantId: principal.tenant,
      databaseId: request.database.id,
      schema,
      schemaId: provisioned?.id ?? null,
      pipeline: request.pipeline,
      connectorId: chosen.connector.id,
      principalId: principal.id,
      requestedBy: principal.login,
      key: request.idempotencyKey,
      entities: request.entities,
      params: request.params ?? {},
    }
    return await this.#queue(principal, request, run, materializer)
  }

  /** @throws SqlError 42704 where there is none that the caller may see */
  async status(principal: SchemaCaller, id: string): Promise<RunRow> {
    return await this.#whole(await this.#visible(principal, id))
  }

  /** The newest run of a schema, by its real name. */
  async latest(
    principal: SchemaCaller,
    database: Pick<CallerDatabase, 'id'>,
    schema: string,
  ): Promise<RunRow | undefined> {
    const run = await readLatest(this.#options.control, database.id, schema)
    return run !== undefined && (await this.#maySee(principal, run)) ? await this.#whole(run) : undefined
  }

  /** When each source and model was last brought into a schema, whatever has been tried since. */
  async loads(
    principal: SchemaCaller,
    database: Pick<CallerDatabase, 'id'>,
    schema: string,
  ): Promise<readonly Pick<LoadRow, 'name' | 'pipeline' | 'at'>[]> {
    const loads = await readLoads(this.#options.control, database.id, schema)
    const visible = await Promise.all(loads.map(load => this.#maySee(principal, load)))
    return loads.filter((_, index) => visible[index])
  }

  /**
   * Asks a run to stop and resolves when it has; one that has ended stays as it is. An abort of `signal` ends the waiting,
   * not the cancel.
   * @throws SqlError 42704 as {@link status}, 42501 where it is somebody else's
   */
  async cancel(principal: SchemaCaller, id: string, signal?: AbortSignal): Promise<RunRow> {
    const run = await this.#visible(principal, id)
    if (run.principalId !== principal.id && !principal.scopes.has('admin'))
      throw new SqlError({ code: '42501', message: `run "${id}" is ${run.requestedBy}'s` })
    await requestCancel(this.#options.control, run.id)
    for (;;) {
      const now = await this.#visible(principal, id)
      if (now.endedAt !== null) return await this.#whole(now)
      if (signal?.aborted === true) throw cancelled()
      await sleep(stopAskedEveryMs)
    }
  }

  /** The run and its job are one transaction; one that lost the race for the schema or the key finds the winner. */
  async #queue(
    principal: SchemaCaller & { readonly id: string },
    request: RunRequest,
    run: NewRun,
    materializer: Materializer,
  ): Promise<RunRow> {
    const { control } = this.#options
    const queued = await inTransaction(control, async client => {
      // Locks the schema's row: whoever would drop it waits, and then finds the run.
      if (run.schemaId !== null && !(await touchSchema(client, run.schemaId)))
        throw new SqlError({ code: '3F000', message: `schema "${run.schema}" has expired` })
      if (!(await insertRun(client, run))) return false
      await materializer.enqueue(client, run)
      return true
    })
    if (queued) return await this.status(principal, run.id)
    return await this.#begunOrBusy(principal, request, await findUnfinished(control, run.databaseId, run.schema))
  }

  /** The run that is in the way may be the very one that this key has begun a moment ago. */
  async #begunOrBusy(
    principal: SchemaCaller & { readonly id: string },
    request: RunRequest,
    unfinished: StoredRun | undefined,
  ): Promise<RunRow> {
    const begun = await this.#begun(principal, request)
    if (begun !== undefined) return await this.#whole(begun)
    throw busy(unfinished)
  }

  /** @throws SqlError 22023 where the key began something else */
  async #begun(principal: SchemaCaller & { readonly id: string }, request: RunRequest): Promise<StoredRun | undefined> {
    const { idempotencyKey: key } = request
    if (key === undefined) return undefined
    if (key === '' || key.length > keyMaxChars)
      throw new SqlError({ code: '22023', message: `an idempotency key has 1 to ${keyMaxChars} characters` })
    const run = await findByKey(this.#options.control, { tenantId: principal.tenant, principalId: principal.id, key })
    if (run === undefined || run.pipeline === request.pipeline) return run
    throw new SqlError({ code: '22023', message: `this idempotency key began a run of "${run.pipeline}"` })
  }

  async #visible(principal: SchemaCaller, id: string): Promise<StoredRun> {
    const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)
    const run = isId ? await readRun(this.#options.control, principal.tenant, id) : undefined
    if (run === undefined || !(await this.#maySee(principal, run))) throw missing('run', id)
    return run
  }

  /** What fills a private schema is seen by its owner and by admins. */
  async #maySee(
    principal: SchemaCaller,
    run: Pick<StoredRun, 'tenantId' | 'schemaId' | 'principalId'>,
  ): Promise<boolean> {
    if (run.tenantId !== principal.tenant) return false
    if (run.principalId === principal.id || run.schemaId === null || principal.scopes.has('admin')) return true
    const schema = await readSchema(this.#options.control, run.schemaId)
    return schema?.private !== true
  }

  async #whole(run: StoredRun): Promise<RunRow> {
    const { control } = this.#options
    return { ...run, steps: await readSteps(control, run.id), log: await readLog(control, run.id, logLinesMax) }
  }
}

function busy(run: StoredRun | undefined): SqlError {
  return new SqlError({
    code: '55006',
    message: `the schema is held by a run that is ${run?.state ?? 'queued'}`,
    hint: run === undefined ? 'Try again shortly.' : `Wait for run ${run.id}, or cancel it.`,
  })
}

function unavailable(): SqlError {
  return new SqlError({
    code: '57P03',
    message: 'runs cannot be started here yet',
    hint: 'Data can be queried as it is. Ask the operator for a Postern that loads data.',
  })
}
