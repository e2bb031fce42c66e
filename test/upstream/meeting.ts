import { inspect } from 'node:util'
import { expect } from 'vitest'
import { connectUpstream } from '../../src/upstream/connection.ts'
import type { UpstreamOptions } from '../../src/upstream/upstream-options.ts'
import { type Peer, startScriptedServer } from './scripted-server.ts'

export const secret = 'hunter2-do-not-tell'

export function optionsFor(port: number): UpstreamOptions {
  return {
    host: '127.0.0.1',
    port,
    database: 'crm',
    user: 'gate',
    password: secret,
    tls: { mode: 'disable' },
    connectTimeoutMs: 2000,
    applicationName: 'postern',
  }
}

/** Our login at a server with this script; both are ended afterwards. */
export async function meet(
  script: (peer: Peer, index: number) => Promise<void> | void,
  options: Partial<UpstreamOptions> = {},
) {
  const server = await startScriptedServer(script)
  try {
    const upstream = await connectUpstream({ ...optionsFor(server.port), ...options })
    upstream.destroy('the test is over')
    return upstream
  } finally {
    await server.close()
  }
}

/** A script: waits for the first packet, then says these. */
export function answering(...messages: Buffer[]) {
  return async (peer: Peer) => {
    await peer.first()
    peer.say(...messages)
  }
}

/** What the login was refused with: nothing that ends a client's connection, and no secret in any of it. */
export async function refusalOf(meeting: Promise<unknown>) {
  const error: unknown = await meeting.then(
    () => undefined,
    thrown => thrown,
  )
  expect(error).toBeDefined()
  expect(error).not.toMatchObject({ severity: 'FATAL' })
  expect(inspect(error, { depth: 9 })).not.toContain(secret)
  return error
}
