/** With the guard away: the same shapes as the gate login itself. What the roles must hold they hold alone. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import type { Upstream } from '../../src/upstream/connection.ts'
import { filesAndPrograms } from './shapes/files-and-programs.ts'
import { otherTenant } from './shapes/other-tenant.ts'
import { roleEscape } from './shapes/role-escape.ts'
import { transactionEscape } from './shapes/transaction-escape.ts'
import { writeShapedSelect } from './shapes/write-shaped-select.ts'
import { type Arena, openArena } from './support/arena.ts'
import { isKnownTo, plainText, type Shape } from './support/shape.ts'
import { watcherClaim } from './support/watch.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena()
})
afterAll(() => arena.stop())

/** How a reader that nobody judges would begin. */
const openings: readonly (readonly string[])[] = [
  [],
  ['set role none'],
  ['begin read write'],
  ['set role none', 'begin read write'],
]

test('what the roles must hold they hold', async () => {
  const shapes: readonly Shape[] = [
    ...filesAndPrograms,
    ...writeShapedSelect,
    ...transactionEscape,
    ...roleEscape,
    ...otherTenant(arena),
  ].filter(shape => shape.rolesHold === true && isKnownTo(shape, arena.major))
  const found: string[] = []
  let before = await arena.look()
  for (const shape of shapes) {
    for (const opening of openings) {
      const upstream = await arena.served.database.pool.acquire(watcherClaim, AbortSignal.timeout(5_000))
      const words = [...opening, plainText(shape)].join('; ')
      const outcome = await attempt(upstream, opening, plainText(shape))
      arena.served.database.pool.discard(upstream, 'it was tampered with')
      if (outcome !== undefined) found.push(`${words}: ${outcome}`)
    }
    const after = await arena.look()
    const changed = Object.keys(after).filter(thing => before[thing] !== after[thing])
    for (const thing of changed) found.push(`${shape.name}: ${thing} was ${before[thing]}, is ${after[thing]}`)
    before = after
  }
  process.stdout.write(`[attack] straight: ${shapes.length} shapes, ${shapes.length * openings.length} cases\n`)
  expect(found).toEqual([])
}, 120_000)

/** What came of it where it was not refused. */
async function attempt(upstream: Upstream, opening: readonly string[], text: string): Promise<string | undefined> {
  try {
    for (const statement of opening) await upstream.query(statement)
    const rows = await upstream.query(text)
    return `it ran: ${JSON.stringify(rows.slice(0, 2))}`
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    const told = arena.secrets.filter(secret => error.message.includes(secret) && !text.includes(secret))
    return told.length > 0 ? `it told ${told.join()}` : undefined
  }
}
