/**
 * Runs once, beside the workers. Test files run in processes of their own, one after the other in each worker's slot;
 * this hands the files of a slot one server, started when the first of them asks.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { TestProject } from 'vitest/node'
import { startTestServer, type TestServer } from './sources.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** `<brokerUrl>/<slot>` answers a TestServer as JSON. */
    brokerUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = new Map<string, ReturnType<typeof startTestServer>>()
  const secret = randomBytes(16).toString('hex')
  let told: TestServer['source'] | undefined
  const serve = async (slot: string) => {
    const starting = started.get(slot) ?? startTestServer()
    started.set(slot, starting)
    const { server } = await starting
    if (told !== server.source) process.stdout.write(`[tests] Postgres ${server.major} from ${server.source}\n`)
    told = server.source
    return server
  }
  const broker = createServer((request, response) => {
    const [, given, slot] = (request.url ?? '').split('/')
    const answer = given === secret && slot ? serve(slot) : Promise.reject(new Error('unknown address'))
    answer.then(
      server => response.setHeader('content-type', 'application/json').end(JSON.stringify(server)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  }).listen(0, '127.0.0.1')
  await once(broker, 'listening')
  const address = broker.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  project.provide('brokerUrl', `http://127.0.0.1:${port}/${secret}`)
  return async () => {
    broker.close()
    broker.closeAllConnections()
    const servers = await Promise.allSettled(started.values())
    await Promise.all(servers.map(result => (result.status === 'fulfilled' ? result.value.stop() : undefined)))
  }
}
