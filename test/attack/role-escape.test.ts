import { afterAll, beforeAll, expect, test } from 'vitest'
import { roleEscape, roleResets } from './shapes/role-escape.ts'
import { type Arena, openArena } from './support/arena.ts'
import { attack } from './support/attack.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena()
})
afterAll(() => arena.stop())

test('nobody becomes anybody else, and no setting changes behind the session’s back', async () => {
  expect(await attack(arena, 'role-escape', roleEscape)).toEqual([])
}, 120_000)

test('what pools send to begin afresh leads nowhere else', async () => {
  expect(await attack(arena, 'role resets', roleResets)).toEqual([])
})
