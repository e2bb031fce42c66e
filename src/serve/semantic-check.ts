/** Where a tenant's semantic layer no longer fits his databases as they are. */
import { type Drift, validateSemantics } from '../catalog/semantic-drift.ts'
import { resolveSemantics, type SemanticLayer } from '../catalog/semantic-layer.ts'
import type { ExpressionReader } from '../catalog/semantic-sql.ts'
import type { Config } from '../config.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import type { Log } from '../observe/log.ts'
import { readLiveSchemas } from './live-schemas.ts'
import type { Stores } from './stores.ts'

export interface PlacedDrift extends Drift {
  /** `crm.public`: database and schema; or the file and line of a definition that fits nowhere. */
  readonly place: string
}

/** @throws SqlError why a database cannot be read */
export async function findDrift(
  config: Config,
  stores: Stores,
  log: Log,
  rows: readonly DatabaseRow[],
  layers: readonly SemanticLayer[],
  parser: ExpressionReader,
): Promise<readonly PlacedDrift[]> {
  const drifts: PlacedDrift[] = []
  const tables = new Map<string, ReadonlySet<string>>()
  const only = rows.length === 1 && rows[0]?.schemas.length === 1
  for (const row of rows) {
    for (const live of await readLiveSchemas(config, stores, log, row)) {
      const place = `${row.alias}.${live.schema}`
      const written = resolveSemantics(layers, row.alias, live.schema)
      drifts.push(...validateSemantics(written, live, { parser, all: only }).map(drift => ({ ...drift, place })))
      tables.set(JSON.stringify([row.alias, live.schema]), new Set(live.tables.map(table => table.name)))
    }
  }
  return [...drifts, ...(only ? [] : foundNowhere(layers, tables)), ...strangers(layers, rows)]
}

/** Definitions for any schema, of tables that none has. Several schemas are there: each alone could not tell. */
function foundNowhere(
  layers: readonly SemanticLayer[],
  tables: ReadonlyMap<string, ReadonlySet<string>>,
): PlacedDrift[] {
  return layers.flatMap(layer =>
    [...layer.entities, ...layer.relationships, ...layer.metrics]
      .filter(one => one.schema === '*')
      .filter(one => ![...tables].some(([key, names]) => isOf(one.database, key) && names.has(one.table)))
      .map(({ table, place }) => ({
        kind: 'missing table' as const,
        subject: table,
        message: `No schema has a table ${table} that may be read.`,
        place,
      })),
  )
}

function isOf(database: string, key: string): boolean {
  return database === '*' || key.startsWith(`[${JSON.stringify(database)},`)
}

/** Definitions for a database that the tenant does not have. A schema that he lacks may be provisioned again. */
function strangers(layers: readonly SemanticLayer[], rows: readonly DatabaseRow[]): PlacedDrift[] {
  return layers.flatMap(layer =>
    [...layer.entities, ...layer.relationships, ...layer.metrics]
      .filter(one => one.database !== '*' && !rows.some(row => row.alias === one.database))
      .filter(one => one.schema !== '*')
      .map(({ table, database, place }) => ({
        kind: 'missing reference' as const,
        subject: table,
        message: `There is no database ${database}.`,
        place,
      })),
  )
}
