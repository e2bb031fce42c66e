/** Conversations grown at random from a grammar of messages, valid and not. The same seed grows the same conversation. */
import { flush, sync } from '../../src/wire/query.ts'
import {
  bind,
  closePortal,
  closeStatement,
  describePortal,
  describeStatement,
  execute,
  parse,
  query,
} from './conversations.ts'

export type Random = () => number

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomsFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One message, in words and in bytes, and how many ReadyForQuery it asks for. */
export interface Said {
  readonly words: string
  readonly bytes: Buffer
  readonly ready: 0 | 1
}

const pad = '/* long enough for the worker'.padEnd(4_200, ' ')

const reads = [
  'select 1',
  'select id from t order by id limit 7',
  'table t limit 2',
  'select id from t where false',
  "select 'ä', 2 as b, null as c",
  `select 3 ${pad} */`,
  "select date '2024-02-03', interval '1 day', timestamptz '2024-01-01 00:00Z'",
  'show datestyle',
  'select count(*) from t',
  'copy (select id from crm.t order by id limit 2) to stdout',
  '',
]
const failures = [
  'select 1/0',
  'select nope from t',
  'select 1 / (id - 1) from t order by id',
  'selec',
  'select * from missing',
  "set timezone to 'Nowhere/Land'",
  'fetch 1 from none',
]
const control = [
  'begin',
  'begin',
  'commit',
  'rollback',
  'savepoint s',
  'rollback to s',
  'release s',
  'commit and chain',
  'start transaction read only',
]
const settings = [
  "set datestyle to 'German'",
  "set local timezone to 'Asia/Tokyo'",
  "set intervalstyle to 'iso_8601'",
  'reset datestyle',
  'set search_path to nowhere',
  'reset search_path',
]
const cursors = [
  'declare c cursor for select id from crm.t order by id',
  'fetch 2 from c',
  'move 1 from c',
  'fetch all from c',
  'close c',
]
const parameters = ['select $1::int + 1', 'select id from t where id <= $1 order by id', 'select $1::text']

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!
}

function statement(random: Random): string {
  const roll = random()
  if (roll < 0.42) return pick(random, reads)
  if (roll < 0.58) return pick(random, failures)
  if (roll < 0.76) return pick(random, control)
  if (roll < 0.88) return pick(random, settings)
  return pick(random, cursors)
}

function aQuery(random: Random): Said {
  const text = statement(random)
  return { words: `Query ${text}`, bytes: query(text).send[0]!, ready: 1 }
}

const statementNames = ['', '', '', 'a', 'b']
const portalNames = ['', '', '', 'p', 'q']

function aMessage(random: Random): Said[] {
  const named = pick(random, statementNames)
  const portal = pick(random, portalNames)
  // On Postgres a Query that fails leaves its unnamed portal behind in an aborted transaction.
  const namedPortal = pick(random, ['p', 'q'])
  const one = (words: string, bytes: Buffer): Said[] => [{ words, bytes, ready: 0 }]
  const roll = random()
  if (roll < 0.45) {
    const text = statement(random)
    // Postgres finds a name taken after it has looked at the text, we before: no text that fails has a name.
    const name = failures.includes(text) ? '' : named
    const rows = pick(random, [0, 0, 0, 1, 3])
    return [
      ...one(`Parse ${name}: ${text}`, parse(text, name)),
      ...one(`Bind ${name} to ${portal}`, bind(name, portal)),
      ...(random() < 0.3 ? one(`Describe portal ${portal}`, describePortal(portal)) : []),
      ...one(`Execute ${portal} ${rows}`, execute(rows, portal)),
    ]
  }
  if (roll < 0.55) {
    const text = pick(random, parameters)
    const value = pick(random, ['3', '3', null, 'x'])
    return [
      ...one(`Parse ${named}: ${text}`, parse(text, named)),
      ...(random() < 0.5 ? one(`Describe statement ${named}`, describeStatement(named)) : []),
      ...one(`Bind ${named} to ${portal} with ${value}`, bind(named, portal, [value], random() < 0.3 ? [1] : [])),
      ...one(`Execute ${portal}`, execute(0, portal)),
    ]
  }
  if (roll < 0.62) return one(`Parse ${named}: select 5`, parse('select 5', named))
  if (roll < 0.72) return one(`Bind ${named} to ${portal}`, bind(named, portal))
  if (roll < 0.82) return one(`Execute ${namedPortal} 2`, execute(2, namedPortal))
  if (roll < 0.9) return one(`Describe portal ${namedPortal}`, describePortal(namedPortal))
  if (roll < 0.93) return one(`Close statement ${named}`, closeStatement(named))
  if (roll < 0.96) return one(`Close portal ${portal}`, closePortal(portal))
  return one('Flush', flush)
}

const aSync: Said = { words: 'Sync', bytes: sync, ready: 1 }

/** Some Queries and some series, the last thing said a Query that tells how it all ended. */
export function growConversation(random: Random, length: number): Said[] {
  const said: Said[] = []
  for (let i = 0; i < length; i++) {
    if (random() < 0.35) {
      said.push(aQuery(random))
      continue
    }
    const messages = 1 + Math.floor(random() * 4)
    for (let j = 0; j < messages; j++) said.push(...aMessage(random))
    said.push(aSync)
    if (random() < 0.05) said.push(aSync)
  }
  return [...said, ...['rollback', "select date '2024-02-03'", 'show search_path'].map(asQuery)]
}

function asQuery(text: string): Said {
  return { words: `Query ${text}`, bytes: query(text).send[0]!, ready: 1 }
}

/** The bytes of a conversation in pieces that end anywhere. */
export function cutAnywhere(random: Random, bytes: Buffer, pieces: number): Buffer[] {
  const cuts = Array.from({ length: pieces - 1 }, () => Math.floor(random() * bytes.length)).sort((a, b) => a - b)
  return [0, ...cuts].map((cut, i) => bytes.subarray(cut, cuts[i] ?? bytes.length))
}
