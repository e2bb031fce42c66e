/**
 * What a record costs the turn of the event loop in which it is made: appended, and written with others by one write(2).
 * node bench/audit.ts [--rounds 7] [--records 100000]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { AuditRecord } from '../src/audit/record.ts'
import { openSpool } from '../src/audit/spool.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, records: { type: 'string', default: '100000' } },
})
const rounds = Number(values.rounds)
const records = Number(values.records)

const statement = (number: number, text: string): AuditRecord => ({
  time: 1_770_000_000_000 + number,
  kind: 'statement',
  door: 'wire',
  principalId: '01900000-0000-7000-8000-000000000001',
  principal: 'alice@acme',
  tenantId: '01900000-0000-7000-8000-000000000002',
  tenant: 'acme',
  database: 'shop',
  session: '2f1c9f39-2a7c-4a55-9c35-6bb0a3f1a001',
  requestId: `2f1c9f39-2a7c-4a55-9c35-6bb0a3f1a001.${number}`,
  statementKind: 'select',
  text,
  relations: ['crm.pgbench_accounts'],
  verdict: 'run',
  rows: 1,
  bytes: 20,
  waitMs: 0.25,
  runMs: 1,
  address: '127.0.0.1',
  applicationName: 'pgbench',
})

const texts = {
  'one text': () => 'select abalance from crm.pgbench_accounts where aid = $1',
  'new texts': (number: number) => `select abalance from crm.pgbench_accounts where aid = ${number}`,
}

/** Nanoseconds of processor time for a record, the system's share included: others may use the machine meanwhile. */
function measure(text: (number: number) => string, perFlush: number): number {
  const dir = mkdtempSync(join(tmpdir(), 'postern-bench-audit-'))
  const spool = openSpool({ dir, literals: 'redact', fsync: 'batch', spoolMaxBytes: 8 * 1024 ** 3, fsyncEveryMs: 1e6 })
  try {
    const began = process.cpuUsage()
    for (let number = 1; number <= records; number++) {
      spool.append(statement(number, text(number)))
      if (number % perFlush === 0) spool.flush()
    }
    spool.flush()
    const { user, system } = process.cpuUsage(began)
    return ((user + system) * 1000) / records
  } finally {
    void spool.close().finally(() => rmSync(dir, { recursive: true, force: true }))
  }
}

for (const [name, text] of Object.entries(texts)) {
  for (const perFlush of [1, 16, 128]) {
    measure(text, perFlush)
    const taken = Array.from({ length: rounds }, () => measure(text, perFlush)).sort((a, b) => a - b)
    const median = taken[taken.length >> 1] ?? Number.NaN
    const perSecond = Math.round(1e9 / median).toLocaleString('en')
    console.log(`${name}, ${perFlush} a flush: ${Math.round(median)} ns a record, ${perSecond} records/s`)
  }
}
