import { afterAll, beforeAll, expect, test } from 'vitest'
import { sqlInText } from './shapes/sql-in-text.ts'
import { type Arena, openArena } from './support/arena.ts'
import { attack } from './support/attack.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena()
})
afterAll(() => arena.stop())

test('nothing happens, and the guard lets nothing through', async () => {
  expect(await attack(arena, 'sql-in-text', sqlInText)).toEqual([])
}, 120_000)
