import { afterAll, beforeAll, expect, test } from 'vitest'
import { otherTenant } from './shapes/other-tenant.ts'
import { type Arena, openArena } from './support/arena.ts'
import { attack } from './support/attack.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena()
})
afterAll(() => arena.stop())

test('nothing of another tenant, another schema or an excluded table is seen', async () => {
  expect(await attack(arena, 'other-tenant', otherTenant(arena))).toEqual([])
}, 120_000)
