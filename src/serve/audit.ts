/** The audit of a process that serves: its spool on the disk, and what carries it to the control database. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Shipper } from '../audit/shipper.ts'
import { openSpool, type Spool } from '../audit/spool.ts'
import type { Config } from '../config.ts'
import type { Log } from '../observe/log.ts'
import type { Stores } from './stores.ts'

export interface Audit {
  readonly sink: Spool
  /** Ships what is there for at most `drainMs`; the rest stays in the spool for the next start. */
  close(drainMs: number): Promise<void>
}

/** @throws SqlError 55006 where another process has the spool */
export function openAudit(config: Config, stores: Pick<Stores, 'control' | 'keys'>, log: Log): Audit {
  const dir = config.audit.dir ?? join(config.dataDir, 'spool')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const sink = openSpool({
    ...config.audit,
    dir,
    onFault: fault =>
      fault === undefined
        ? log.info({}, 'the audit spool can be written again')
        : log.error({ error: fault }, 'the audit spool cannot be written'),
  })
  const shipper = new Shipper({
    spool: sink,
    pool: stores.control,
    sealer: stores.keys,
    clock: Date.now,
    onFault: error =>
      error === undefined
        ? log.info({}, 'audit records are shipped again')
        : log.warn({ error }, 'audit records cannot be shipped; they wait in the spool'),
  })
  shipper.start()
  return {
    sink,
    async close(drainMs) {
      await shipper.stop(drainMs)
      await sink.close()
    },
  }
}
