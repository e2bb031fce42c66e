/** Chains in a control database, and hands that may do everything there but sign. */
import type pg from 'pg'
import { type LogRow, readChain } from '../../src/audit/log-rows.ts'
import { Shipper } from '../../src/audit/shipper.ts'
import type { Spool } from '../../src/audit/spool.ts'
import { verifyChains } from '../../src/audit/verify.ts'
import type { ChainReport } from '../../src/audit/walk.ts'
import type { ControlFixture } from '../control/fixture.ts'
import { spoolFolder, spoolIn, statement } from './fixture.ts'

export async function ship(control: ControlFixture, spool: Spool, batchMaxBytes?: number): Promise<void> {
  const { sealer } = control.administration
  const shipper = new Shipper({ spool, pool: control.service, sealer, clock: Date.now, idleMs: 5, batchMaxBytes })
  shipper.start()
  await shipper.stop(10_000)
}

/** A chain of `count` records that is in the log whole. Their times are a second apart, from `fromMs` on. */
export async function shippedChain(
  control: ControlFixture,
  count: number,
  fromMs: number = Date.UTC(2026, 0, 10),
): Promise<string> {
  const spool = spoolIn(await spoolFolder())
  append(spool, count, fromMs)
  await ship(control, spool)
  await spool.close()
  return spool.instance
}

export function append(spool: Spool, count: number, fromMs: number): void {
  for (let i = 0; i < count; i++) spool.append(statement(i, { time: fromMs + i * 1_000 }))
  spool.flush()
}

export async function verify(control: ControlFixture, instance: string): Promise<ChainReport> {
  const found: ChainReport[] = []
  for await (const chain of verifyChains(control.owner, control.administration.sealer, instance)) found.push(chain)
  return found[0]!
}

export async function verifyAll(control: ControlFixture): Promise<readonly ChainReport[]> {
  const found: ChainReport[] = []
  for await (const chain of verifyChains(control.owner, control.administration.sealer)) found.push(chain)
  return found
}

/** As somebody does it who owns the database. */
export async function meddle(owner: pg.Pool, sql: string, values: readonly unknown[]): Promise<void> {
  const done = await owner.query(sql, [...values])
  if (done.rowCount === 0) throw new Error(`that changed nothing: ${sql}`)
}

/** A chain's records as they stand in the log. */
export async function rowsOf(control: ControlFixture, instance: string): Promise<readonly LogRow[]> {
  const client = await control.owner.connect()
  const rows: LogRow[] = []
  try {
    await client.query('begin')
    for await (const row of readChain(client, instance)) rows.push(row)
    await client.query('commit')
  } finally {
    client.release()
  }
  return rows
}
