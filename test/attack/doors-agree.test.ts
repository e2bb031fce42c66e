/** A statement is refused alike at every door: the same SQLSTATE, and the same audit record but for the door's own words. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { AuditRecord } from '../../src/audit/record.ts'
import { decodeReport } from '../../src/wire/reports.ts'
import type { RawClient } from '../support/raw-client.ts'
import { byNumber } from './shapes/by-number.ts'
import { filesAndPrograms } from './shapes/files-and-programs.ts'
import { lexical } from './shapes/lexical.ts'
import { otherTenant } from './shapes/other-tenant.ts'
import { resource } from './shapes/resource.ts'
import { roleEscape, roleResets } from './shapes/role-escape.ts'
import { sqlInText } from './shapes/sql-in-text.ts'
import { stacked } from './shapes/stacked.ts'
import { storedBySuperuser, storedCode, storedCodeShapes } from './shapes/stored-code.ts'
import { transactionEscape } from './shapes/transaction-escape.ts'
import { writeShapedSelect } from './shapes/write-shaped-select.ts'
import { Agent } from './support/agent.ts'
import { type Arena, openArena } from './support/arena.ts'
import { isKnownTo, plainText } from './support/shape.ts'
import { extended } from './support/ways.ts'

/** ATTACK_FULL=1: every shape; else so many of them, evenly from the whole list. */
const sampleMax = 300
const full = process.env.ATTACK_FULL === '1'

interface Answer {
  /** Undefined: it was not refused. */
  readonly sqlstate: string | undefined
  readonly records: readonly Partial<AuditRecord>[]
}

let arena: Arena
let client: RawClient
let agent: Agent

beforeAll(async () => {
  arena = await openArena({ seed: storedCode, asSuperuser: storedBySuperuser })
  client = await arena.open()
  agent = await Agent.open(arena.served)
})
afterAll(async () => {
  await client.close()
  await agent.close()
  await arena.stop()
})

function texts(): readonly string[] {
  const all = [
    ...[...byNumber(arena), ...filesAndPrograms, ...lexical, ...otherTenant(arena), ...roleEscape, ...roleResets],
    ...[...sqlInText, ...stacked, ...storedCodeShapes, ...transactionEscape, ...writeShapedSelect, ...resource],
  ].filter(shape => isKnownTo(shape, arena.major) && shape.setup === undefined && shape.harmless === undefined)
  const step = full ? 1 : Math.max(1, all.length / sampleMax)
  const chosen = Array.from({ length: Math.floor(all.length / step) }, (_, at) => all[Math.floor(at * step)]!)
  return [...new Set(chosen.map(plainText))]
}

async function byWire(text: string): Promise<Answer> {
  arena.served.records.length = 0
  client.send(...extended.messages(text))
  const frames = await client.untilReady(1)
  const failed = frames.find(({ type }) => type === 'E')
  return { sqlstate: failed === undefined ? undefined : decodeReport(failed.body).code, records: statements() }
}

const toldSchema = z.object({ error: z.object({ sqlstate: z.string() }).optional() })

async function byAgent(text: string): Promise<Answer> {
  arena.served.records.length = 0
  const { told } = await agent.ask(text)
  const { error } = toldSchema.parse(JSON.parse(told.slice(0, told.indexOf('\n'))))
  return { sqlstate: error?.sqlstate, records: statements() }
}

/** What was recorded of the statement, without what is each door's own: who asked from where, in which conversation, when. */
function statements(): readonly Partial<AuditRecord>[] {
  return arena.served.records
    .filter(({ kind }) => kind !== 'tool-call')
    .map(({ door, session, requestId, time, address, applicationName, waitMs, runMs, ...said }) => said)
}

describe('a statement that is refused on the wire', () => {
  it('is refused by the query tool with the same SQLSTATE, and recorded alike', async () => {
    const differing: unknown[] = []
    let refused = 0
    for (const text of texts()) {
      const wire = await byWire(text)
      if (wire.sqlstate === undefined) continue
      refused++
      const mcp = await byAgent(text)
      if (JSON.stringify(mcp) !== JSON.stringify(wire)) differing.push({ text: text.slice(0, 300), wire, mcp })
    }
    process.stdout.write(`[attack] doors agree: ${refused} refused statements\n`)
    expect(differing).toEqual([])
    expect(refused).toBeGreaterThan(sampleMax / 2)
  }, 240_000)
})
