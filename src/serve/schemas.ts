/** Users' schemas, put together: the control database, the provisioner, and what is told of a change. */
import type { Pool } from 'pg'
import { insertRecord } from '../audit/store.ts'
import type { Config } from '../config.ts'
import type { Sealer } from '../control/sealer.ts'
import type { SchemaParts } from '../materialize/schema-work.ts'
import type { Log } from '../observe/log.ts'
import type { Databases } from './databases.ts'
import { schemaTargetOf } from './provisioning.ts'

export interface SchemaStores {
  readonly control: Pool
  readonly keys: Sealer
}

/** `databases`: those of this process, which serve a change at once; absent where it serves none. */
export function schemaParts(config: Config, stores: SchemaStores, log: Log, databases?: Databases): SchemaParts {
  return {
    administration: { pool: stores.control, sealer: stores.keys, record: insertRecord },
    limits: config.schemas,
    targetOf: row => schemaTargetOf(row, stores.keys),
    changed: async databaseId => {
      try {
        await databases?.refresh(databaseId)
      } catch (error) {
        // It is done all the same, and this process hears of it as the others do.
        log.warn({ error }, 'a change of provisioned schemas is not served at once')
      }
    },
    log,
  }
}
