/** Random walks over settings, transactions, and statements that are refused or cut in the middle. */
import { encodeBind, encodeExecute, encodeParse } from '../../../src/wire/extended-query.ts'
import { encodeQuery, flush, sync } from '../../../src/wire/query.ts'
import type { RawClient } from '../../support/raw-client.ts'

/** One message of the simple protocol, or a series up to its Sync. */
export interface Step {
  readonly words: string
  readonly messages: readonly Buffer[]
}

/** mulberry32: the same walk for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const settings: Readonly<Record<string, readonly string[]>> = {
  timezone: ['UTC', 'Asia/Tokyo', 'Europe/Berlin'],
  datestyle: ['ISO, MDY', 'ISO, DMY', 'SQL, DMY'],
  search_path: ['crm', 'public', 'crm, public', 'pg_catalog, crm'],
  intervalstyle: ['postgres', 'iso_8601'],
  extra_float_digits: ['0', '1', '2'],
}

export const askForSettings = `select ${Object.keys(settings)
  .map(name => `current_setting('${name}')`)
  .join(", '; ', ")}`

export function walk(seed: number, length: number): readonly Step[] {
  const random = randomOf(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const oneOf = (): string => {
    const name = pick(Object.keys(settings))
    const value = pick(settings[name]!)
    const list = value
      .split(', ')
      .map(part => `'${part}'`)
      .join(', ')
    return pick([
      () => `set ${name} to ${list}`,
      () => `set ${name} to ${list}`,
      () => `set local ${name} to ${list}`,
      () => `reset ${name}`,
      () => `set ${name} to default`,
      () => `select set_config('${name}', '${value}', ${pick(['true', 'false'])})`,
      () => `select set_config('${name}', '${value}', false), 1`,
      () => 'begin',
      () => 'begin',
      () => 'commit',
      () => 'commit',
      () => 'rollback',
      () => 'commit and chain',
      () => 'rollback and chain',
      () => `savepoint ${pick(['a', 'b'])}`,
      () => `savepoint ${pick(['a', 'b'])}`,
      () => `release ${pick(['a', 'b'])}`,
      () => `rollback to ${pick(['a', 'b'])}`,
      () => 'select 1',
      () => 'select 1/0',
      () => "select 'x'::int",
      // Refused by the guard; refused, cut or cancelled while it answers.
      () => 'select * from payroll',
      () => `select set_config('${name}', '${value}', false), repeat('x', 600) || repeat('x', 600)`,
      () => `select set_config('${name}', '${value}', false), repeat('x', 900), repeat('x', 900), repeat('x', 900)`,
      () => 'select id from orders',
      () => 'select id from orders order by id limit 5 + 5',
      () => 'copy (select id from orders) to stdout',
      () => 'declare c cursor for select id from orders',
      () => 'fetch 3 from c',
      () => 'close all',
    ])()
  }
  const step = (): Step => {
    const statements = Array.from({ length: pick([1, 1, 1, 2, 3]) }, oneOf)
    if (random() < 0.05) return { words: 'Q discard all', messages: [encodeQuery('discard all')] }
    if (random() < 0.05) return { words: 'Q reset all', messages: [encodeQuery('reset all')] }
    if (random() < 0.6) return { words: `Q ${statements.join('; ')}`, messages: [encodeQuery(statements.join('; '))] }
    const messages = statements.flatMap(text => [
      encodeParse({ name: '', text, parameterTypes: [] }),
      encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [] }),
      encodeExecute({ portal: '', rowsMax: random() < 0.2 ? 1 : 0 }),
      ...(random() < 0.2 ? [flush] : []),
    ])
    return { words: `P ${statements.join(' | ')}`, messages: [...messages, sync] }
  }
  return Array.from({ length }, step)
}

/** Says one step; the transaction status afterwards. */
export async function say(client: RawClient, step: Step): Promise<string> {
  client.send(...step.messages)
  const frames = await client.untilReady(step.messages.filter(({ 0: type }) => type === 0x51 || type === 0x53).length)
  return frames.at(-1)?.body.toString('latin1') ?? ''
}

/** The settings in force, whatever transaction is open (nothing in a failed one). */
export async function settingsOf(client: RawClient): Promise<string> {
  client.send(encodeQuery(askForSettings))
  const frames = await client.untilReady()
  const row = frames.find(({ type }) => type === 'D')
  return row === undefined ? 'none' : row.body.toString('latin1').replaceAll(/[^ -~]+/g, '|')
}
