/** The same bytes to Postgres and to the gateway: the same answers, message by message. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sync } from '../../src/wire/query.ts'
import { describe as inWords, RawClient, type RawFrame } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { conversations, query, type Step } from './conversations.ts'

let served: Served

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text);
      insert into t select g, 'name ' || g from generate_series(1, 50) g;
      alter table t owner to current_user`,
  })
}, 60_000)

afterAll(async () => await served.stop())

/** Allowed differences: what runs as another role with our own settings says so here. */
function normalise(frame: RawFrame): string {
  return inWords(frame)
    .replace(/\| (If you|Perhaps|Ask|Only).*$/, '')
    .trim()
}

async function hold(client: RawClient, steps: readonly Step[]): Promise<string[]> {
  const answers: string[] = []
  for (const step of steps) {
    client.send(...step.send)
    for (const frame of await client.untilReady(step.ready)) answers.push(normalise(frame))
  }
  return answers
}

describe('a conversation goes the same way as with Postgres:', () => {
  for (const [name, steps] of Object.entries(conversations)) {
    test(name, async () => {
      const direct = await RawClient.open({
        ...served.direct,
        parameters: [['options', '-c search_path=crm -c default_transaction_read_only=on']],
      })
      const through = await RawClient.open(served.gateway)
      try {
        const expected = await hold(direct, steps)
        const actual = await hold(through, steps)
        expect(actual).toEqual(expected)
      } finally {
        await direct.close()
        await through.close()
      }
    })
  }

  test('a query within a series: said to be idle where PostgreSQL 18 says that a transaction is open', async () => {
    const through = await RawClient.open(served.gateway)
    const [start] = conversations['a query after a series']!
    expect(
      await hold(through, [
        { send: [...start!.send.slice(0, -1), ...query('select 2').send, sync], ready: 2 },
        query('begin'),
        query('commit'),
      ]),
    ).toEqual(expect.arrayContaining(['C SELECT 1', 'Z I', 'C BEGIN', 'Z T', 'C COMMIT', 'Z I']))
    await through.close()
  })

  test('all messages of a conversation in one write, one byte at a time', async () => {
    const steps = conversations['an error skips to Sync']!
    const through = await RawClient.open(served.gateway)
    const expected = await hold(through, steps)
    const bytes = Buffer.concat(steps.flatMap(step => step.send))
    for (const byte of bytes) {
      through.socket.write(Buffer.from([byte]))
      await new Promise(resolve => setImmediate(resolve))
    }
    const answers = (await through.untilReady(2)).map(normalise)
    expect(answers).toEqual(expected)
    await through.close()
  })
})
