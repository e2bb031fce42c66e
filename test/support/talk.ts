/** Conversations in few words: messages made, answers summed up. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sync } from '../../src/wire/query.ts'
import { bind, execute, parse, query } from '../differential/conversations.ts'
import { describe, RawClient, type RawTarget } from './raw-client.ts'

export const q = (text: string): Buffer[] => [...query(text).send]
export const one = (text: string, rowsMax = 0): Buffer[] => [parse(text), bind(), execute(rowsMax)]
export const series = (...messages: Buffer[]): Buffer[] => [...messages, sync]

/** Sends and reads up to as many ReadyForQuery as the messages ask for (Query and Sync). */
export async function ask(client: RawClient, ...messages: Buffer[]): Promise<string[]> {
  client.send(...messages)
  return answers(client, messages.filter(message => message[0] === 0x51 || message[0] === 0x53).length)
}

export async function answers(client: RawClient, ready = 1): Promise<string[]> {
  return sumUp((await client.untilReady(ready)).map(describe))
}

/** Everything that comes within `ms`; '!' where the connection ended. */
export async function hear(client: RawClient, ms = 200): Promise<string[]> {
  const lines: string[] = []
  const until = Date.now() + ms
  for (;;) {
    const frame = client.poll()
    if (frame !== undefined) lines.push(describe(frame))
    else if (client.socket.destroyed || client.socket.readableEnded) return [...sumUp(lines), '!']
    else if (Date.now() >= until) return sumUp(lines)
    else await sleep(5)
  }
}

/** Without descriptions and hints; rows in a row become `D×n`. */
export function sumUp(lines: readonly string[]): string[] {
  const out: string[] = []
  for (const line of lines) {
    const type = line[0]
    if (type === 'T' || type === 'H' || type === 'c') continue
    const last = out.at(-1)
    if ((type === 'D' || type === 'd') && last?.startsWith(`${type}×`))
      out[out.length - 1] = `${type}×${Number(last.slice(2)) + 1}`
    else out.push(type === 'D' || type === 'd' ? `${type}×1` : line.replace(/ \| .*/, ''))
  }
  return out
}

/** Opens, talks, closes. */
export async function withClient<T>(target: RawTarget, talk: (client: RawClient) => Promise<T>): Promise<T> {
  const client = await RawClient.open(target)
  try {
    return await talk(client)
  } finally {
    client.socket.destroy()
  }
}

/** Resolves once `holds`. @throws Error after `ms` */
export async function until(holds: () => boolean, ms = 5_000): Promise<void> {
  for (const end = Date.now() + ms; !holds(); await sleep(5))
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${holds}`)
}
