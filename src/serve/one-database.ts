/** One database opened for one command: judged and run as for every door, in a process of its own. */
import { randomInt, randomUUID } from 'node:crypto'
import type { AuditRecord } from '../audit/record.ts'
import { insertRecords } from '../audit/store.ts'
import type { Config } from '../config.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import { readLimitOverrides } from '../control/limits.ts'
import { createParser, type Parser } from '../guard/parse.ts'
import { VerdictCache } from '../guard/verdict-cache.ts'
import type { Principal } from '../identity/principal.ts'
import type { Log } from '../observe/log.ts'
import { type Collected, CollectingSink, collect } from '../session/collect.ts'
import { Judgement } from '../session/judgement.ts'
import { openSession } from '../session/session.ts'
import { PoolGroup } from '../upstream/pool-group.ts'
import { Served } from './served.ts'
import type { Stores } from './stores.ts'

export interface OneDatabase {
  readonly served: Served
  readonly parser: Parser
}

/** Proves the database's locks, hands it to `work`, and closes it. @throws SqlError why it is not served */
export async function withDatabase<T>(
  config: Config,
  stores: Stores,
  log: Log,
  row: DatabaseRow,
  work: (one: OneDatabase) => Promise<T>,
): Promise<T> {
  const parser = await createParser()
  const parts = { config, sealer: stores.keys, group: new PoolGroup(), parser, log, now: Date.now }
  let served: Served | undefined
  try {
    served = new Served(row, await readLimitOverrides(stores.control), parts)
    await served.ready()
    return await work({ served, parser })
  } finally {
    served?.close()
    await parser.close()
  }
}

/** Runs one statement through a session. Its records are in the audit log before its answer is given. @throws SqlError */
export async function runStatement(
  { served, parser }: OneDatabase,
  stores: Pick<Stores, 'control' | 'keys'>,
  principal: Principal,
  text: string,
  log: Log,
): Promise<Collected> {
  const records: AuditRecord[] = []
  const audit = { append: (record: AuditRecord) => void records.push(record), flush: () => undefined, healthy: true }
  const judgement = new Judgement(parser, new VerdictCache(1024 * 1024))
  const sink = new CollectingSink()
  const session = await openSession({
    principal,
    database: served,
    door: 'cli',
    sink,
    client: { address: 'local', applicationName: 'postern query' },
    startupSettings: [],
    virtualPid: randomInt(1, 2 ** 31),
    id: randomUUID(),
    services: { audit, parser, judgement, sweep: served.sessions, log, now: Date.now },
  })
  try {
    return await collect(session, sink, text, [])
  } finally {
    await session.close()
    await insertRecords(stores.control, records, stores.keys)
  }
}
