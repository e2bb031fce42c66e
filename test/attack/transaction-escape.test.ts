import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeQuery } from '../../src/wire/query.ts'
import { readWriteAsks, transactionEscape } from './shapes/transaction-escape.ts'
import { type Arena, openArena } from './support/arena.ts'
import { attack } from './support/attack.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena()
})
afterAll(() => arena.stop())

test('nothing happens, and the guard lets nothing through', async () => {
  expect(await attack(arena, 'transaction-escape', transactionEscape)).toEqual([])
}, 120_000)

test.each(readWriteAsks)('%s: it stays read only', async ask => {
  const client = await arena.open()
  const statements = [...ask.split('; '), 'show transaction_read_only', 'insert into target values (2)', 'rollback']
  client.send(...statements.map(text => encodeQuery(text)))
  const frames = await client.untilReady(statements.length)
  await client.close()
  expect(frames.filter(({ type }) => type === 'D').map(({ body }) => body.toString('latin1').slice(6))).toEqual(['on'])
  expect(frames.filter(({ type, body }) => type === 'E' && body.includes('25006'))).toHaveLength(1)
})
