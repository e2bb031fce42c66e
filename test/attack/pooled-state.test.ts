/** What one client leaves on a pooled connection for the next: nothing. The pool lends the same connection again at once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeBind, encodeClose, encodeDescribe, encodeExecute, encodeParse } from '../../src/wire/extended-query.ts'
import { encodeQuery, sync } from '../../src/wire/query.ts'
import { describe as inWords } from '../support/raw-client.ts'
import { type Arena, openArena } from './support/arena.ts'
import { type Step, say, settingsOf, walk } from './support/settings-walk.ts'
import type { Look } from './support/watch.ts'

let arena: Arena
let untouched: Look
const small = { cellMaxBytes: 1_000, bytesMax: 2_500, rowsMax: 4 }
const seeds = process.env.ATTACK_FULL === '1' ? 3_000 : 150

beforeAll(async () => {
  arena = await openArena()
  untouched = await arena.look()
})
afterAll(() => arena.stop())
beforeEach(() => arena.served.setLimits({}))

const parse = (text: string, name = '', parameterTypes: number[] = []) => encodeParse({ name, text, parameterTypes })
const bind = (statement = '', parameters: Buffer[] = [], parameterFormats: (0 | 1)[] = []) =>
  encodeBind({ portal: '', statement, parameterFormats, parameters, resultFormats: [] })
const execute = (rowsMax = 0) => encodeExecute({ portal: '', rowsMax })
const one = (text: string) => [parse(text), bind(), execute()]
const q = (...texts: string[]) => texts.map(text => encodeQuery(text))

describe('random walks', () => {
  test(`leave nothing, and the session knows what is in force (${seeds} walks)`, async () => {
    arena.served.setLimits(small)
    const faults: string[] = []
    for (let seed = 1; seed <= seeds && faults.length < 5; seed++) {
      const said: string[] = []
      const fault = await walkOnce(seed, said)
      if (fault !== undefined) faults.push(`seed ${seed}: ${fault} after ${said.slice(-3).join(' → ')}`)
    }
    expect(faults).toEqual([])
  }, 120_000)
})

async function walkOnce(seed: number, said: string[]): Promise<string | undefined> {
  const client = await arena.open()
  try {
    for (const step of walk(seed, 8)) {
      said.push(step.words)
      const fault = (await say(client, step)) === 'I' ? await faultAfter(() => settingsOf(client)) : undefined
      if (fault !== undefined) return fault
    }
  } finally {
    await client.close()
  }
  return await faultAfter(async () => '')
}

/** The next borrower finds nothing, and afterwards the client finds its own again. */
async function faultAfter(ask: () => Promise<string>): Promise<string | undefined> {
  const before = await ask()
  const now = await arena.look()
  const changed = Object.keys(now).find(thing => now[thing] !== untouched[thing])
  if (changed !== undefined) {
    arena.discardPool()
    return `${changed}: ${now[changed]}`
  }
  const after = await ask()
  return before === after ? undefined : `its settings ${before} became ${after}`
}

/** Each is said by a client that then leaves, in its manner. */
const conversations: readonly (readonly [what: string, messages: readonly Buffer[], ready: number])[] = [
  [
    'leaving in a transaction with settings',
    q('begin', "set timezone to 'Asia/Tokyo'", "set local datestyle to 'SQL'"),
    3,
  ],
  ['leaving in a failed transaction', q('begin', "set timezone to 'Asia/Tokyo'", 'select 1/0'), 3],
  ['leaving with a cursor open', q('begin', 'declare c cursor for select * from orders', 'fetch 1 from c'), 3],
  ['leaving before Sync', [...one("set timezone to 'Asia/Tokyo'")], 0],
  ['leaving in the middle of a result', q('select * from orders a, orders b, orders c'), 0],
  ['leaving in the middle of COPY', q('copy (select a.* from orders a, orders b) to stdout'), 0],
  ['leaving with a portal half read', [parse('select * from orders'), bind(), execute(1), sync], 1],
  ['leaving half a message', [Buffer.from([0x51, 0, 0, 1, 0, 0x73])], 0],
  [
    'a value handed over in binary',
    [
      parse("select set_config('application_name', $1, false)", '', [25]),
      bind('', [Buffer.from([1, 2, 3])], [1]),
      execute(),
      sync,
    ],
    1,
  ],
  [
    'a number for a text',
    [
      parse("select set_config('application_name', $1::text, false)", '', [23]),
      bind('', [Buffer.from([0, 0, 0, 7])], [1]),
      execute(),
      sync,
    ],
    1,
  ],
  [
    'no value',
    [
      parse("select set_config('timezone', $1, false)", '', [25]),
      encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: [null], resultFormats: [] }),
      execute(),
      sync,
    ],
    1,
  ],
  [
    'set_config twice over',
    [
      parse("select set_config('timezone', 'Asia/Tokyo', false), set_config('timezone', 'UTC', true)"),
      bind(),
      execute(1),
      execute(),
      sync,
    ],
    1,
  ],
  [
    'set_config that is then rolled back',
    [...one("select set_config('timezone', 'Asia/Tokyo', false)"), ...one('select 1/0'), sync],
    1,
  ],
  [
    'a setting within a savepoint',
    q('begin', 'savepoint a', "set timezone to 'Asia/Tokyo'", 'rollback to a', 'commit'),
    5,
  ],
  [
    'names that need quotes',
    q(`set application_name to 'x''; set role none; --'`, `set search_path to "crm""; set role none; --", crm`),
    2,
  ],
  ['a thousand settings', q(...Array.from({ length: 200 }, (_, at) => `set application_name to 'a${at}'`)), 200],
  [
    'resets in a row',
    q("set timezone to 'Asia/Tokyo'", 'discard all', 'reset all', 'set session authorization default', 'reset role'),
    5,
  ],
  [
    'advisory locks and listening',
    q(
      'listen postern_attack',
      'select pg_advisory_lock(1)',
      'notify postern_attack',
      'unlisten *',
      'select pg_advisory_unlock_all()',
    ),
    5,
  ],
  [
    'a closed statement that never was',
    [encodeClose({ kind: 'S', name: 'postern_1' }), encodeClose({ kind: 'P', name: 'c' }), sync],
    1,
  ],
]

describe('a client that leaves', () => {
  test.each(conversations)('%s', async (_, messages, ready) => {
    const client = await arena.open()
    client.send(...messages)
    await client.untilReady(ready)
    client.socket.destroy()
    await expect.poll(() => faultAfter(async () => ''), { timeout: 5_000 }).toBe(undefined)
  })
})

describe('prepared statements', () => {
  test('are nobody else’s, whatever name is guessed', async () => {
    const alice = await arena.open()
    const bob = await arena.open()
    try {
      alice.send(parse('select 17', 'mine'), bind('mine'), execute(), sync)
      await alice.untilReady()
      for (const name of ['mine', ...Array.from({ length: 30 }, (_, at) => `postern_${at}`)]) {
        bob.send(bind(name), execute(), sync, encodeDescribe({ kind: 'S', name }), sync)
        const answers = (await bob.untilReady(2)).map(inWords)
        expect(answers.filter(line => line.startsWith('E ERROR 26000'))).toHaveLength(2)
        expect(answers.filter(line => line.startsWith('D'))).toEqual([])
      }
      bob.send(
        ...q('execute mine', 'deallocate mine', 'select * from pg_prepared_statements', 'select * from pg_cursors'),
      )
      const answers = (await bob.untilReady(4)).map(inWords)
      expect(answers.filter(line => line.startsWith('D'))).toEqual([])
    } finally {
      await alice.close()
      await bob.close()
    }
  })

  test('that fall out of the cache in a failing series do not lock their text for the next client', async () => {
    const client = await arena.open()
    const next = await arena.open()
    const text = (at: number) => `select ${at} as evicted`
    try {
      for (let at = 0; at < 210; at++) client.send(parse(text(at), `s${at}`), sync)
      await client.untilReady(210)
      for (let round = 0; round < 5; round++) {
        const failing = Array.from({ length: 40 }, (_, at) =>
          parse(`select ${at} + ${round} as new`, `n${round}.${at}`),
        )
        client.send(...one('select 1/0'), ...failing, sync)
        await client.untilReady()
      }
      for (let at = 0; at < 210; at++) next.send(parse(text(at), `t${at}`), bind(`t${at}`), execute(), sync)
      const answers = (await next.untilReady(210)).map(inWords)
      expect(answers.filter(line => line.startsWith('E'))).toEqual([])
    } finally {
      await client.close()
      await next.close()
    }
  })

  test('mean what the settings of their client say', async () => {
    const american = await arena.open({ parameters: [['datestyle', 'MDY']] })
    const german = await arena.open({ parameters: [['datestyle', 'DMY']] })
    const text = "select date '01/02/2024' = date '2024-02-01'"
    try {
      for (const [client, expected] of [
        [german, 't'],
        [american, 'f'],
        [german, 't'],
        [american, 'f'],
      ] as const) {
        client.send(parse(text, ''), bind(), execute(), sync)
        expect(String((await client.untilReady()).find(({ type }) => type === 'D')?.body.subarray(6))).toBe(expected)
      }
    } finally {
      await american.close()
      await german.close()
    }
  })

  test('are judged again where search_path has changed since', async () => {
    await arena.admin.query(
      'create table public.only_here as select 1; grant usage on schema public to public; grant select on public.only_here to public',
    )
    await arena.served.database.refreshCatalog()
    const client = await arena.open()
    const allowed: Step = { words: '', messages: [parse('select count(*) from orders', 's'), sync] }
    try {
      await say(client, allowed)
      client.send(
        ...q('set search_path to public'),
        bind('s'),
        execute(),
        sync,
        ...q('begin; set local search_path to public, crm'),
        bind('s'),
        execute(),
        sync,
      )
      const answers = (await client.untilReady(4)).map(inWords)
      expect(answers.filter(line => /^[ED]/.test(line)).map(line => line.slice(0, 13))).toEqual([
        'E ERROR 42P01',
        expect.stringMatching(/^D/),
      ])
    } finally {
      await client.close()
      await arena.admin.query('drop table public.only_here; revoke usage on schema public from public')
    }
  })
})

describe('the cache of verdicts', () => {
  test('takes two search paths for two, whatever characters are in their names', async () => {
    const odd = await arena.open()
    const plain = await arena.open()
    const text = 'select count(*) from orders'
    try {
      odd.send(...q('set search_path to "crm\u0001public"', text))
      expect((await odd.untilReady(2)).map(inWords)[0]).toMatch(/^E ERROR 42501/)
      plain.send(...q('set search_path to crm, public', text))
      expect((await plain.untilReady(2)).map(inWords).filter(line => line.startsWith('D'))).toHaveLength(1)
    } finally {
      await odd.close()
      await plain.close()
    }
  })
})
