import { expect, test } from 'vitest'
import { VerdictCache } from '../../src/guard/verdict-cache.ts'

test('what was used longest ago goes when the bytes are spent', () => {
  const cache = new VerdictCache<string>(100)
  cache.set('a', 'A', 40)
  cache.set('b', 'B', 40)
  expect(cache.get('a')).toBe('A')
  cache.set('c', 'C', 40)
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['A', undefined, 'C'])
  expect(cache.bytes).toBe(80)
})

test('a value set again takes the place of the old one', () => {
  const cache = new VerdictCache<string>(100)
  cache.set('a', 'A', 40)
  cache.set('a', 'Z', 60)
  expect(cache.get('a')).toBe('Z')
  expect(cache.bytes).toBe(60)
})

test('what is larger than the cache is not kept, and pushes nothing out', () => {
  const cache = new VerdictCache<string>(100)
  cache.set('a', 'A', 40)
  cache.set('b', 'B', 101)
  expect([cache.get('a'), cache.get('b')]).toEqual(['A', undefined])
})
