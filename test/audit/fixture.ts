import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { AuditRecord } from '../../src/audit/record.ts'
import { openSpool, type Spool, type SpoolOptions } from '../../src/audit/spool.ts'

export async function spoolFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'postern-spool-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Not closed by itself: tests end spools in their own ways. */
export function spoolIn(dir: string, options: Partial<SpoolOptions> = {}): Spool {
  return openSpool({ dir, literals: 'redact', fsync: 'batch', spoolMaxBytes: 1024 ** 3, ...options })
}

export function statement(number: number, more: Partial<AuditRecord> = {}): AuditRecord {
  return {
    time: Date.UTC(2026, 0, 31, 23, 59, 59, number % 1_000),
    kind: 'statement',
    door: 'wire',
    principalId: '01900000-0000-7000-8000-000000000001',
    principal: 'alice@acme',
    tenantId: '01900000-0000-7000-8000-000000000002',
    tenant: 'acme',
    database: 'shop',
    session: 's1',
    requestId: `r${number}`,
    statementKind: 'select',
    text: `select * from orders where id = ${number}`,
    relations: ['public.orders'],
    verdict: 'run',
    rows: 1,
    bytes: 20,
    waitMs: 0.25,
    runMs: 1.5,
    address: '127.0.0.1',
    applicationName: 'psql',
    ...more,
  }
}

/** Every line of the spool's files, oldest first. */
export async function spooledLines(dir: string): Promise<readonly string[]> {
  const names = (await readdir(dir)).filter(name => name.endsWith('.jsonl')).sort()
  const texts = await Promise.all(names.map(name => readFile(join(dir, name), 'utf8')))
  return texts.join('').split('\n').slice(0, -1)
}

export async function spooled(dir: string): Promise<readonly Record<string, unknown>[]> {
  return (await spooledLines(dir)).map(line => JSON.parse(line))
}
