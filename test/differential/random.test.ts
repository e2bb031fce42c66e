/** Random conversations, to Postgres and to the gateway: message by message the same. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describe as inWords, RawClient, type RawFrame, type RawTarget } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { cutAnywhere, growConversation, randomsFrom, type Said } from './grammar.ts'

let served: Served

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text);
      insert into t select g, 'name ' || g from generate_series(1, 20) g`,
  })
}, 60_000)
afterAll(async () => await served.stop())

const first = Number(process.env.POSTERN_SEED ?? '1')
const count = Number(process.env.POSTERN_SEEDS ?? '120')

async function hold(target: RawTarget, said: readonly Said[], pieces: (bytes: Buffer) => Buffer[]): Promise<string[]> {
  const client = await RawClient.open(target)
  try {
    const writing = (async () => {
      for (const piece of pieces(Buffer.concat(said.map(({ bytes }) => bytes)))) {
        client.socket.write(piece)
        await new Promise(resolve => setImmediate(resolve))
      }
    })()
    const frames = await client.untilReady(said.reduce((sum, { ready }) => sum + ready, 0))
    await writing
    return normalise(frames)
  } finally {
    client.socket.destroy()
  }
}

/** Allowed differences in what is said at all, with their reasons. */
function normalise(frames: readonly RawFrame[]): string[] {
  return frames
    .filter(({ type }) => type !== 'S') // reported at the end of each part of a message, of which we have more
    .map(frame => inWords(frame).replace(/ \| .*$/, '')) // hints are ours; positions have tests of their own
    .filter(line => !line.includes('skipping cleanup for portal')) // a warning of Postgres about its own memory
}

/** And in which of two errors of one message comes first: `theirs` in place of ours. */
function reconcile(actual: readonly string[], expected: readonly string[]): string[] {
  return actual.map((ours, i) => {
    const theirs = expected[i] ?? ''
    const isAllowed = errorsFirst.some(([first, then]) => theirs.startsWith(first) && ours.startsWith(then))
    return isAllowed ? theirs : ours
  })
}

const errorsFirst = [
  // The number of a Bind's parameters is looked at before the aborted transaction; here the statement is.
  ['E ERROR 08P01 bind message supplies', 'E ERROR 25P02'],
  // And before what the statement means under a search_path that has changed since its Parse.
  ['E ERROR 08P01 bind message supplies', 'E ERROR 42P01'],
] as const

describe('a random conversation goes the same way as with Postgres:', () => {
  for (let seed = first; seed < first + count; seed++) {
    test(`seed ${seed}`, async () => {
      const random = randomsFrom(seed)
      const said = growConversation(random, 3 + Math.floor(random() * 6))
      const pieces = [1, 1, 2, 10, 60][seed % 5]!
      const parameters = [['options', '-c search_path=crm -c default_transaction_read_only=on']] as const
      const expected = await hold({ ...served.direct, parameters }, said, bytes => [bytes])
      const actual = await hold(served.gateway, said, bytes => cutAnywhere(random, bytes, pieces))
      expect(reconcile(actual, expected), said.map(({ words }) => words.slice(0, 80)).join('\n')).toEqual(expected)
    })
  }
})
