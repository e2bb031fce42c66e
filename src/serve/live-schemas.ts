/** A database's own schemas as its users may read them now, for a command that compares something with them. */
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import type { AuditRecord } from '../audit/record.ts'
import { insertRecords } from '../audit/store.ts'
import type { Annotations } from '../catalog/annotations.ts'
import { CatalogService } from '../catalog/catalog-service.ts'
import type { SchemaMetadata } from '../catalog/metadata.ts'
import type { Config } from '../config.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import { VerdictCache } from '../guard/verdict-cache.ts'
import type { Log } from '../observe/log.ts'
import { CallerSessions } from '../session/callers.ts'
import { Judgement } from '../session/judgement.ts'
import { withDatabase } from './one-database.ts'
import type { Stores } from './stores.ts'

const nothingWritten: Annotations = {
  entities: new Map(),
  relationships: [],
  metrics: [],
  tables: new Map(),
  general: [],
  learnings: [],
  warnings: [],
}

/** Read anew, and stored as every reading is. Nothing that is written about them is among it. @throws SqlError why it cannot be read */
export async function readLiveSchemas(
  config: Config,
  stores: Stores,
  log: Log,
  row: DatabaseRow,
): Promise<readonly SchemaMetadata[]> {
  const records: AuditRecord[] = []
  const audit = { append: (record: AuditRecord) => void records.push(record), flush: () => undefined, healthy: true }
  return await withDatabase(config, stores, log, row, async ({ served, parser }) => {
    const judgement = new Judgement(parser, new VerdictCache(1024 * 1024))
    const callers = new CallerSessions({ services: { audit, parser, judgement, log, now: Date.now }, door: 'catalog' })
    const catalog = new CatalogService({
      control: stores.control,
      callers,
      annotations: { of: async () => nothingWritten },
      config: config.catalog,
      now: Date.now,
    })
    const name = userInfo().username
    const of = { tenant: row.tenantId, tenantName: row.tenantName }
    const operator = { id: randomUUID(), ...of, name, login: name, expiresAt: null }
    const schemas: SchemaMetadata[] = []
    try {
      for (const schema of row.schemas) {
        schemas.push(await catalog.metadata(operator, served, { schema, refresh: true }))
      }
      return schemas
    } finally {
      await callers.close()
      await insertRecords(stores.control, records, stores.keys)
    }
  })
}
