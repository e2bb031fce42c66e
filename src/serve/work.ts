/** Door 3, put together: what jobs need of the control database and the provisioner. */
import { randomUUID } from 'node:crypto'
import { enforceRetention } from '../audit/retention.ts'
import type { Config } from '../config.ts'
import { removeIdleMcpSessions } from '../control/mcp-sessions.ts'
import type { Schemas } from '../materialize/schemas.ts'
import type { Log } from '../observe/log.ts'
import type { Retention } from '../worker/audit-retention.ts'
import { startWorker, type Worker } from '../worker/worker.ts'
import type { Stores } from './stores.ts'

/** For the queue itself; jobs use the stores' own pool. */
const connectionsMax = 5

/** @throws SqlError 55000 where the job queue is not made yet */
export async function startWork(config: Config, stores: Stores, schemas: Schemas, log: Log): Promise<Worker> {
  return await startWorker({
    pool: stores.openService(connectionsMax),
    schemas,
    retention: retentionOf(config, stores),
    chores: {
      'mcp sessions': () => removeIdleMcpSessions(stores.control, config.mcp.sessionIdleTimeoutMs),
    },
    log,
  })
}

function retentionOf(config: Config, stores: Stores): Retention | undefined {
  const { retentionDays } = config.audit
  if (retentionDays === null) return undefined
  return async () => {
    const owner = stores.openOwner()
    const actor = { door: 'job', session: randomUUID(), requestId: randomUUID() }
    try {
      return await enforceRetention(owner, { sealer: stores.keys, retentionDays, nowMs: Date.now(), actor })
    } finally {
      await owner.end()
    }
  }
}
