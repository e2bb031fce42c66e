/** The audit of a process that serves: its spool on the disk, and what carries it to the control database. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Shipper } from '../audit/shipper.ts'
import { openSpool, type Spool } from '../audit/spool.ts'
import type { Config } from '../config.ts'
import { SqlError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import type { Stores } from './stores.ts'

export interface Audit {
  readonly sink: Spool
  /** Ships what is there for at most `drainMs`; the rest stays in the spool for the next start. */
  close(drainMs: number): Promise<void>
}

export interface AuditOptions {
  /** Others of this data folder serve at the same time, each with a spool of its own. */
  readonly beside: boolean
}

/** Processes of one data folder at once, besides the one that serves it. */
const besideMax = 1_000

/**
 * Ships also what processes beside this one left behind when they were killed.
 * @throws SqlError 55006 where another process has the spool
 */
export function openAudit(
  config: Config,
  stores: Pick<Stores, 'control' | 'keys'>,
  log: Log,
  { beside }: AuditOptions,
): Audit {
  const dir = config.audit.dir ?? join(config.dataDir, 'spool')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const besides = join(dir, 'beside')
  const own = beside ? openFree(config, besides, log) : open(config, dir, log)
  const left = openLeft(config, besides, log)
  const shippers = [own, ...left].map(spool => {
    const shipper = new Shipper({
      spool,
      pool: stores.control,
      sealer: stores.keys,
      clock: Date.now,
      announces: true,
      onFault: error =>
        error === undefined
          ? log.info({}, 'audit records are shipped again')
          : log.warn({ error }, 'audit records cannot be shipped; they wait in the spool'),
    })
    shipper.start()
    return shipper
  })
  return {
    sink: own,
    async close(drainMs) {
      await Promise.all(shippers.map(shipper => shipper.stop(drainMs)))
      await Promise.all([own, ...left].map(spool => spool.close()))
    },
  }
}

function open(config: Config, dir: string, log: Log): Spool {
  return openSpool({
    ...config.audit,
    dir,
    onFault: fault =>
      fault === undefined
        ? log.info({}, 'the audit spool can be written again')
        : log.error({ error: fault }, 'the audit spool cannot be written'),
  })
}

/** Undefined: a living process has it. */
function openIfFree(config: Config, dir: string, log: Log): Spool | undefined {
  try {
    return open(config, dir, log)
  } catch (error) {
    if (error instanceof SqlError && error.code === '55006') return undefined
    throw error
  }
}

function openFree(config: Config, besides: string, log: Log): Spool {
  for (let number = 1; number <= besideMax; number++) {
    const spool = openIfFree(config, join(besides, String(number)), log)
    if (spool !== undefined) return spool
  }
  throw new SqlError({ code: '53300', message: `${besideMax} processes write audit spools under ${besides} already` })
}

/** Spools of processes that are gone, with records that nobody shipped. */
function openLeft(config: Config, besides: string, log: Log): readonly Spool[] {
  if (!existsSync(besides)) return []
  const left: Spool[] = []
  for (const name of readdirSync(besides)) {
    const dir = join(besides, name)
    if (
      !/^\d+$/.test(name) ||
      !readdirSync(dir).some(
        file => file.endsWith('.jsonl') && (statSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0) > 0,
      )
    )
      continue
    const spool = openIfFree(config, dir, log)
    if (spool !== undefined) left.push(spool)
  }
  return left
}
