/** A stranger behind the same proxy as everybody else: his failures are his own. */
import { afterEach, expect, test } from 'vitest'
import { type Door, openDoor } from '../mcp/door.ts'

let door: Door | undefined
afterEach(async () => {
  await door?.close()
  door = undefined
})

const failuresMax = 100

async function ask(url: string, token: string, forwardedFor: string): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'X-Forwarded-For': forwardedFor,
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  })
  await response.text()
  return response.status
}

/** Until he is refused without a look at what he sends. */
async function guess(url: string, forwardedFor: (at: number) => string): Promise<number> {
  let status = 0
  for (let at = 0; at <= failuresMax; at++)
    status = await ask(url, `pk_${at.toString(16).padStart(32, '0')}_${'A'.repeat(43)}`, forwardedFor(at))
  return status
}

const refused = 429
/** Somebody, who has no session. */
const known = 400

test('a proxy that is trusted tells whose failures they are, and nobody makes them another’s', async () => {
  door = await openDoor({ tenants: ['acme'], settings: { trustedProxies: ['127.0.0.1', '10.0.0.2'] } })
  const { url } = door.mcp
  const key = await door.key('acme', 'alice', 'viewer')
  // What stands before the address that the outermost trusted proxy saw is the client's own word.
  expect(await guess(url, at => `192.0.2.${at}, 203.0.113.9, 10.0.0.2`)).toBe(refused)
  expect(await ask(url, key, '203.0.113.9')).toBe(refused)
  expect(await ask(url, key, '203.0.113.10')).toBe(known)
}, 60_000)

test('where no proxy is trusted nobody’s word is', async () => {
  door = await openDoor({ tenants: ['acme'] })
  expect(await guess(door.mcp.url, at => `192.0.2.${at}`)).toBe(refused)
}, 60_000)
