import { expect, it } from 'vitest'
import { StatementLru } from '../../src/upstream/statements.ts'

it('names the statements that were not used for longest when there are too many', () => {
  const lru = new StatementLru(3)
  for (const key of ['a', 'b', 'c']) expect(lru.add(key)).toEqual([])
  expect(lru.has('a')).toBe(true)
  expect(lru.add('d')).toEqual(['b'])
  expect(lru.has('b')).toBe(false)
  expect(lru.add('c')).toEqual([])
  expect(lru.add('e')).toEqual(['a'])
  expect(lru.size).toBe(3)
})

it('forgets what was closed', () => {
  const lru = new StatementLru()
  lru.add('a')
  lru.delete('a')
  expect(lru.has('a')).toBe(false)
  lru.add('b')
  lru.clear()
  expect([lru.has('b'), lru.size]).toEqual([false, 0])
})

it('holds no more than it may, whatever the order', () => {
  const lru = new StatementLru(10)
  const there = new Set<string>()
  for (let round = 0; round < 2000; round++) {
    const key = String((round * 7919) % 37)
    expect(lru.has(key)).toBe(there.has(key))
    for (const gone of lru.add(key)) there.delete(gone)
    there.add(key)
    expect(lru.size).toBe(there.size)
    expect(lru.size).toBeLessThanOrEqual(10)
  }
})
