/**
 * The one place that knows what a schema holds, for every tool, prompt and page. Read as the reader through a session,
 * judged, counted and audited as everything is; stored in the control database, so that it survives a restart and is
 * shared by all instances; cut to the caller's policy at each call, so that a changed policy holds at once.
 *
 * It is read again when the schema's DDL changed (asked at most once in `trustMs`), when it is older than `ttlMs`, when
 * `refresh` says so, or when another process (`postern database refresh`) stored a newer one. It fails closed: where
 * the database cannot be asked there is an error, never what was known once, and never "no tables".
 */
import type { Pool } from 'pg'
import { readSnapshot, storeSnapshot } from '../control/snapshots.ts'
import { SqlError } from '../errors.ts'
import type { CallerDatabase, CallerSessions } from '../session/callers.ts'
import type { NarrowLimits, Origin } from '../session/context.ts'
import type { SessionPrincipal } from '../session/served-database.ts'
import type { AnnotationSource } from './annotations.ts'
import { assemble } from './assemble.ts'
import { BoundedMap } from './bounded-map.ts'
import { missingSchema, parseStored, readSchema, readVersion, type SchemaContents } from './introspection.ts'
import type { SchemaMetadata, TableMetadata } from './metadata.ts'
import { type Page, type RenderOptions, renderSchema } from './render.ts'
import { type Samples, takeSamples } from './samples.ts'
import { type Hit, type SearchOptions, searchSchema } from './search.ts'
import { type IsSensitive, sensitiveMatcher } from './sensitive.ts'
import type { CatalogSettings } from './settings.ts'
import { SharedWork } from './shared-work.ts'
import { describeTable } from './table-lines.ts'

export interface CatalogOptions {
  readonly control: Pool
  /** Of door 'catalog'. */
  readonly callers: CallerSessions
  readonly annotations: AnnotationSource
  readonly config: CatalogSettings
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** On whose behalf the catalog is read, as the audit tells it. */
export interface Asker {
  readonly client?: { readonly address: string; readonly applicationName: string } | undefined
  readonly origin?: Origin | undefined
  readonly signal?: AbortSignal | undefined
}

export interface MetadataRequest extends Asker {
  /** Its real name; left out: the database's default. */
  readonly schema?: string | undefined
  /** What annotations know it by, where that is not its name: the purpose it was provisioned for. */
  readonly logicalSchema?: string | undefined
  /** Read it now, whatever is known. */
  readonly refresh?: boolean | undefined
}

interface Snapshot {
  readonly version: string
  readonly generatedAt: Date
  readonly contents: SchemaContents
}

interface Sampled {
  readonly version: string
  readonly takenAtMs: number
  readonly values: Samples
}

/** Tables whose sample values are held in memory; they are nowhere else. */
const sampledTablesMax = 5_000
/** Tables that one call reads. */
const samplesPerCallMax = 50

const local = { address: 'local', applicationName: 'postern catalog' }

export class CatalogService {
  private readonly options: CatalogOptions
  private readonly isSensitive: IsSensitive
  private readonly known: BoundedMap<Snapshot & { readonly checkedAtMs: number }>
  private readonly checks = new SharedWork<Snapshot>()
  private readonly sampled = new BoundedMap<Sampled>(sampledTablesMax)
  private readonly sampling = new SharedWork<Samples>()

  constructor(options: CatalogOptions) {
    this.options = options
    this.isSensitive = sensitiveMatcher(options.config.sensitive)
    this.known = new BoundedMap(options.config.schemasMax)
  }

  /**
   * What the principal may query in a schema, and what is written about it.
   * @throws SqlError 3F000 for a schema that is not there or not the principal's, 57014 where `signal` is aborted, F0000
   * where the annotations cannot be read, 08…, 53…, 57… where the database cannot be asked
   */
  async metadata(
    principal: SessionPrincipal,
    database: CallerDatabase,
    request: MetadataRequest = {},
  ): Promise<SchemaMetadata> {
    await database.ready()
    const { schemas } = database.policyOf(principal)
    const schema = request.schema ?? schemas[0]
    if (schema === undefined || !schemas.includes(schema)) throw missingSchema(schema ?? '', schemas)
    const snapshot = await this.snapshotOf(principal, database, schema, request)
    const logicalSchema = request.logicalSchema ?? schema
    const annotations = await this.options.annotations.of(principal.tenant, database.alias, logicalSchema)
    return assemble({
      database: database.alias,
      schema,
      logicalSchema,
      ...snapshot,
      policy: database.policyOf(principal),
      catalog: database.catalog(),
      annotations,
      isSensitive: this.isSensitive,
    })
  }

  /**
   * The same with sample values in the tables named, of which at most 50 are read in one call: another call goes on.
   * Values are held in memory alone.
   * @throws SqlError as `metadata`
   */
  async withSamples(
    principal: SessionPrincipal,
    database: CallerDatabase,
    metadata: SchemaMetadata,
    tables: readonly string[],
    asker: Asker = {},
  ): Promise<SchemaMetadata> {
    const wanted = new Set(tables)
    const sampled: TableMetadata[] = []
    let left = samplesPerCallMax
    for (const table of metadata.tables) {
      const held = wanted.has(table.name) ? this.heldSamples(database, metadata.version, table) : undefined
      if (!wanted.has(table.name) || (held === undefined && left === 0)) sampled.push(table)
      else if (held !== undefined) sampled.push(addSamples(table, held))
      else {
        left--
        sampled.push(addSamples(table, await this.takeSamples(principal, database, metadata.version, table, asker)))
      }
    }
    return { ...metadata, tables: sampled }
  }

  /** A page of at most `tokenBudget` tokens. @throws SqlError 22023 for a cursor from before the schema changed */
  render(metadata: SchemaMetadata, options: RenderOptions): Page {
    return renderSchema(metadata, options)
  }

  /** One table as compact text, with all that is known of it. */
  describe(table: TableMetadata): string {
    return describeTable(table)
  }

  /** Tables and columns whose names, synonyms, descriptions or notes hold all words of `text`, the best first. */
  search(metadata: SchemaMetadata, text: string, options: SearchOptions): readonly Hit[] {
    return searchSchema(metadata, text, options)
  }

  private async snapshotOf(
    principal: SessionPrincipal,
    database: CallerDatabase,
    schema: string,
    request: MetadataRequest,
  ): Promise<Snapshot> {
    const key = `${database.id}\0${schema}`
    const { now, config } = this.options
    const known = this.known.get(key)
    if (request.refresh === true) {
      const work = (signal: AbortSignal) => this.read(principal, database, schema, { ...request, signal })
      return await this.checks.runAnew(`${key}\0refresh`, request.signal, work)
    }
    if (known !== undefined && now() - known.checkedAtMs < config.trustMs) return known
    return await this.checks.run(key, request.signal, signal =>
      this.check(principal, database, schema, { ...request, signal }),
    )
  }

  /** What is known, where it still holds; else what is read now. */
  private async check(
    principal: SessionPrincipal,
    database: CallerDatabase,
    schema: string,
    asker: Asker,
  ): Promise<Snapshot> {
    const { now, config } = this.options
    const checkedAtMs = now()
    const key = `${database.id}\0${schema}`
    await database.refreshCatalog()
    const ask = this.asking(principal, database, asker)
    const version = await readVersion(ask, schema)
    const newest = await this.newest(database.id, schema)
    if (newest?.version !== version || checkedAtMs - newest.generatedAt.getTime() >= config.ttlMs)
      return await this.read(principal, database, schema, asker)
    this.known.set(key, { ...newest, checkedAtMs })
    return newest
  }

  /** What is stored, unless it is what is held already. */
  private async newest(databaseId: string, schema: string): Promise<Snapshot | undefined> {
    const held = this.known.get(`${databaseId}\0${schema}`)
    const stored = await readSnapshot(this.options.control, databaseId, schema, held?.generatedAt ?? null)
    if (stored === undefined || stored.contents === null) return held
    const contents = parseStored(stored.contents)
    return contents === undefined ? undefined : { ...stored, contents }
  }

  private async read(
    principal: SessionPrincipal,
    database: CallerDatabase,
    schema: string,
    asker: Asker,
  ): Promise<Snapshot> {
    const checkedAtMs = this.options.now()
    const { version, contents } = await readSchema(this.asking(principal, database, asker), schema)
    // The guard knows of every table that was found, before it is told of.
    await database.refreshCatalog()
    const snapshot = { version, contents, generatedAt: new Date(checkedAtMs) }
    await storeSnapshot(this.options.control, database.id, schema, snapshot)
    this.known.set(`${database.id}\0${schema}`, { ...snapshot, checkedAtMs })
    return snapshot
  }

  private heldSamples(database: CallerDatabase, version: string, table: TableMetadata): Samples | undefined {
    const { now, config } = this.options
    const held = this.sampled.get(sampleKey(database, table))
    return held?.version === version && now() - held.takenAtMs < config.sampleTtlMs ? held.values : undefined
  }

  private async takeSamples(
    principal: SessionPrincipal,
    database: CallerDatabase,
    version: string,
    table: TableMetadata,
    asker: Asker,
  ): Promise<Samples> {
    const { now, config } = this.options
    const key = sampleKey(database, table)
    return await this.sampling.run(key, asker.signal, async signal => {
      const takenAtMs = now()
      const ask = this.asking(principal, database, { ...asker, signal })
      const values = await takeSamples((text, limits) => ask(text, [], limits), table, config)
      if (signal.aborted) throw new SqlError({ code: '57014', message: 'canceling statement due to user request' })
      this.sampled.set(key, { version, takenAtMs, values })
      return values
    })
  }

  /** Statements of ours, in a session of the caller's whose path holds nothing of the tenant's. */
  private asking(principal: SessionPrincipal, database: CallerDatabase, asker: Asker) {
    const { callers } = this.options
    const { client = local, origin, signal } = asker
    const searchPath = ['pg_catalog']
    return (text: string, parameters: readonly (string | null)[], limits?: NarrowLimits) =>
      callers.run({ principal, database, text, parameters, limits, searchPath, client, origin, signal })
  }
}

function sampleKey(database: CallerDatabase, { schema, name }: TableMetadata): string {
  return `${database.id}\0${schema}\0${name}`
}

/** What is sensitive by now stays out, whenever it was sampled. */
function addSamples(table: TableMetadata, samples: Samples): TableMetadata {
  const columns = table.columns.map(column => ({
    ...column,
    samples: column.pii || column.masked ? null : (samples.get(column.name) ?? null),
  }))
  return { ...table, columns }
}
