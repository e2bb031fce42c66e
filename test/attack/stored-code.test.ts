import { afterAll, beforeAll, expect, test } from 'vitest'
import { storedBySuperuser, storedCode, storedCodeShapes } from './shapes/stored-code.ts'
import { type Arena, openArena } from './support/arena.ts'
import { attack } from './support/attack.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena({ seed: storedCode, asSuperuser: storedBySuperuser })
})
afterAll(() => arena.stop())

test('no code runs that the policy does not name', async () => {
  expect(await attack(arena, 'stored-code', storedCodeShapes)).toEqual([])
}, 120_000)
