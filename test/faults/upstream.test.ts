/** A connection to the database that ends at any byte, or says what no server says: one client hears an error, nobody else anything. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { flush } from '../../src/wire/query.ts'
import { bind, execute, parse } from '../differential/conversations.ts'
import { testCluster } from '../support/cluster.ts'
import { FaultyAudit } from '../support/faulty-audit.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { ask, hear, one, q, series, until, withClient } from '../support/talk.ts'
import { type Line, Meddler } from './meddler.ts'

let served: Served
let meddler: Meddler
const audit = new FaultyAudit()

beforeAll(async () => {
  const url = new URL((await testCluster()).url)
  meddler = await Meddler.start(url.hostname, Number(url.port))
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 300) from generate_series(1, 40) g;
      create table wide (name text); insert into wide select repeat('y', 90000) from generate_series(1, 3)`,
    route: line => ({ ...line, host: '127.0.0.1', port: meddler.port }),
    audit,
  })
}, 60_000)
afterAll(async () => {
  await served.stop()
  await meddler.close()
})
afterEach(async () => {
  meddler.rest()
  served.setLimits({})
  await until(() => served.database.pool.stats().held === 0)
})

/** Everything that a client hears in answer, up to its ReadyForQuery; '!' where the connection ends before. */
async function said(client: RawClient, messages: Buffer[], ready: number): Promise<string[]> {
  client.send(...messages)
  const lines: string[] = []
  while (lines.filter(line => line.startsWith('Z')).length < ready && lines.at(-1) !== '!')
    lines.push(...(await hear(client, 15)))
  return lines
}

/** The server's answers end after so many bytes. */
function cutAfter(bytes: number): void {
  let left = bytes
  meddler.fromServer = (chunk, line) => {
    line.toGateway(chunk.subarray(0, left))
    left -= chunk.length
    if (left <= 0) line.cut()
  }
}

describe('a connection that ends after any byte of the answer', () => {
  const pipeline = [
    ...series(...one('select id from t where id < 4')),
    ...series(...one('select 1'), ...one('select 2')),
  ]

  test('to a Query: whole rows, an error, and the session goes on', async () => {
    const text = 'select id, name from t where id < 4'
    for (let bytes = 1; bytes < 1_010; bytes += 1 + (bytes % 13)) {
      await withClient(served.gateway, async client => {
        await ask(client, ...q('select 1'))
        cutAfter(bytes)
        const before = audit.ends(text).length
        const lines = await said(client, q(text), 1)
        expect(lines.slice(-2), `after ${bytes} bytes`).toEqual([
          'E ERROR 08006 the connection to the database was lost',
          'Z I',
        ])
        expect(audit.ends(text).length - before).toBe(1)
        meddler.rest()
        expect(await ask(client, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
      })
    }
  }, 30_000)

  test('to a pipeline: each series hears of it, or has its answer', async () => {
    for (let bytes = 1; bytes < 190; bytes += 1 + (bytes % 5)) {
      await withClient(served.gateway, async client => {
        await ask(client, ...q('select 1'))
        cutAfter(bytes)
        const lines = await said(client, pipeline, 2)
        meddler.rest()
        const [first, second] = split(lines)
        for (const part of [first, second]) {
          const isWhole = part.filter(line => line.startsWith('C SELECT')).length === (part === first ? 1 : 2)
          const isTold = part.filter(line => line.startsWith('E ERROR 08006')).length === 1
          expect(isWhole || isTold, `after ${bytes} bytes: ${lines.join(' ')}`).toBe(true)
        }
        expect(await ask(client, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
      })
    }
  }, 30_000)

  test('in the middle of a row that is on its way already: the client’s connection ends too', async () => {
    const client = await RawClient.open(served.gateway)
    await ask(client, ...q('select 1'))
    cutAfter(200_000)
    expect(await said(client, q('select name from wide'), 1)).toEqual(['D×2', '!'])
    expect(audit.ends('select name from wide').map(({ sqlstate }) => sqlstate)).toEqual(['08006'])
  })

  test('in a transaction: it is over, which the client hears once', async () => {
    await withClient(served.gateway, async client => {
      await ask(client, ...q("begin; set datestyle to 'German'"))
      meddler.fromServer = (_, line) => line.cut()
      expect(await said(client, q('select 1'), 1)).toEqual([
        'E ERROR 08006 the connection to the database was lost',
        'Z E',
      ])
      meddler.rest()
      expect((await ask(client, ...q('select 1')))[0]).toMatch(/^E ERROR 25P02/)
      expect(await ask(client, ...q('commit'))).toEqual(['C ROLLBACK', 'S DateStyle ISO, MDY', 'Z I'])
    })
  })

  test('while a transaction is idle', async () => {
    await withClient(served.gateway, async client => {
      let held: Line | undefined
      meddler.fromServer = (chunk, line) => {
        held = line
        line.toGateway(chunk)
      }
      await ask(client, ...q('begin'))
      held?.cut()
      await sleep(30)
      expect(await ask(client, ...q('select 1'))).toEqual([
        'E ERROR 08006 the connection to the database was lost',
        'Z E',
      ])
      expect((await ask(client, ...q('select 1')))[0]).toMatch(/^E ERROR 25P02/)
      expect(await ask(client, ...q('rollback'))).toEqual(['C ROLLBACK', 'Z I'])
      await ask(client, ...q('begin'))
      expect((await ask(client, ...q('drop table t')))[1]).toBe('Z E')
      expect((await ask(client, ...q('select 1')))[0]).toMatch(/^E ERROR 25P02/)
    })
  })

  test('within a series that has no Sync yet', async () => {
    await withClient(served.gateway, async client => {
      client.send(parse('select id from t'), bind(), execute(1), flush)
      await hear(client, 50)
      meddler.fromServer = (_, line) => line.cut()
      client.send(execute(1), flush)
      expect(await hear(client, 100)).toEqual(['E ERROR 08006 the connection to the database was lost'])
      meddler.rest()
      expect(await ask(client, ...series(execute(1)))).toEqual(['Z I'])
      expect(await ask(client, ...series(execute(1)))).toEqual(['E ERROR 34000 portal "" does not exist', 'Z I'])
    })
  })
})

function split(lines: readonly string[]): [string[], string[]] {
  const end = lines.findIndex(line => line.startsWith('Z'))
  return [lines.slice(0, end + 1), lines.slice(end + 1)]
}

const frame = (type: string, body: Buffer | string = ''): Buffer => {
  const bytes = Buffer.from(body)
  const head = Buffer.from(`${type}\0\0\0\0`, 'latin1')
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

const lies: Readonly<Record<string, Buffer>> = {
  'ready before its time': Buffer.concat([frame('Z', 'I'), frame('Z', 'I')]),
  'a request to log in': frame('R', '\0\0\0\x03'),
  'a COPY of both directions': frame('W', '\0\0\0'),
  'a COPY in': frame('G', '\0\0\0'),
  'a notification': frame('A', '\0\0\0\x01x\0y\0'),
  'an answer to a function call': frame('V', '\0\0\0\0'),
  'a message of no type': frame('\0'),
  'an impossible length': Buffer.from('C\0\0\0\x01'),
  'a message of two gigabytes': Buffer.from('T\x7f\xff\xff\xff', 'latin1'),
}

describe('a server that says, in place of an answer,', () => {
  for (const [name, lie] of Object.entries(lies)) {
    for (const [how, messages] of [
      ['Query', q('select 1')],
      ['series', series(...one('select 1'))],
    ] as const) {
      test(`${name}, to a ${how}`, async () => {
        await withClient(served.gateway, async client => {
          await ask(client, ...q('select 1'))
          meddler.fromServer = (_, line) => line.toGateway(lie)
          expect((await said(client, [...messages], 1)).slice(-2)).toEqual([
            expect.stringMatching(/^E ERROR 08/),
            'Z I',
          ])
          meddler.rest()
          expect(await ask(client, ...q('select 2'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
        })
        expect(served.faults.splice(0)).toHaveLength(1)
      })
    }
  }

  test('rows that nobody asked for: they go nowhere', async () => {
    const row = frame('D', '\0\x01\0\0\0\x01x')
    await withClient(served.gateway, async client => {
      await ask(client, ...q('select 1'))
      meddler.fromServer = (chunk, line) => line.toGateway(Buffer.concat([row, chunk, row]))
      const lines = await said(client, series(parse("set datestyle to 'ISO'"), bind(), execute()), 1)
      expect(lines).toEqual([expect.stringMatching(/^E ERROR 08P01/), 'Z I'])
    })
    served.faults.length = 0
  })

  for (const [what, more] of [
    ['more', frame('C', 'SELECT 1\0')],
    ['a row more', frame('D', '\0\x01\0\0\0\x01x')],
    ['half a message more', frame('N', 'half').subarray(0, 7)],
    ['a byte more', Buffer.from('N')],
  ] as const) {
    test(`${what} after its last word: the connection is not lent on`, async () => {
      await withClient(served.gateway, async client => {
        await ask(client, ...q('select 1'))
        meddler.fromServer = (chunk, line) => line.toGateway(Buffer.concat([chunk, more]))
        await said(client, q('select 1'), 1)
        meddler.rest()
        expect(served.database.pool.stats().idle).toBe(0)
        expect(await ask(client, ...q('select 2'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
      })
      served.faults.length = 0
    })
  }

  test('that a pin is off: nothing more runs there', async () => {
    await withClient(served.gateway, async client => {
      await ask(client, ...q('begin'))
      meddler.fromServer = (chunk, line) =>
        line.toGateway(Buffer.concat([frame('S', 'standard_conforming_strings\0off\0'), chunk]))
      await said(client, q('select 1'), 1)
      meddler.rest()
      expect((await ask(client, ...q('select 2')))[1]).toBe('Z E')
      expect(await ask(client, ...q('rollback'))).toEqual(['C ROLLBACK', 'Z I'])
    })
  })

  test('nothing at all, within the wall clock', async () => {
    served.setLimits({ wallClockMs: 300 })
    await withClient(served.gateway, async client => {
      meddler.fromServer = () => {}
      expect(await said(client, q('select 1'), 1)).toEqual([expect.stringMatching(/^E ERROR 57014/), 'Z I'])
      meddler.rest()
      expect(await ask(client, ...q('select 2'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    })
  })

  test('half a row, and then nothing: no answer runs into it', async () => {
    served.setLimits({ wallClockMs: 300 })
    const row = frame('D', Buffer.alloc(200))
    await withClient(served.gateway, async client => {
      meddler.fromServer = (_, line) => line.toGateway(row.subarray(0, 60))
      expect(await said(client, q('select 1'), 1)).toEqual([expect.stringMatching(/^E ERROR 57014/), 'Z I'])
      meddler.rest()
      expect(await ask(client, ...q('select 2'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    })
    meddler.fromServer = (_, line) =>
      line.toGateway(Buffer.concat([frame('D', Buffer.alloc(100_000)).subarray(0, 70_000)]))
    const client = await RawClient.open(served.gateway)
    expect(await said(client, q('select 1'), 1)).toEqual(['!'])
  })
})

describe('bytes in pieces of one', () => {
  test('from the server and to it', async () => {
    const drip = (chunk: Buffer, write: (bytes: Buffer) => void): void => {
      for (const byte of chunk) write(Buffer.from([byte]))
    }
    meddler.fromServer = (chunk, line) => drip(chunk, bytes => line.toGateway(bytes))
    meddler.fromGateway = (chunk, line) => drip(chunk, bytes => line.toServer(bytes))
    await withClient(served.gateway, async client => {
      expect(await ask(client, ...q('select id, name from t order by id'))).toEqual(['D×40', 'C SELECT 40', 'Z I'])
      expect(
        await ask(client, ...series(...one('select id from t'), ...one('select 1/0'), ...one('select 1'))),
      ).toEqual([...['1', '2', 'D×40', 'C SELECT 40', '1'], ...['E ERROR 22012 division by zero', 'Z I']])
      expect(await ask(client, ...q('copy (select id from t) to stdout'))).toEqual(['d×40', 'C COPY 40', 'Z I'])
    })
  })
})
