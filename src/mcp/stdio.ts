/** MCP over standard input and output: one conversation, whose principal its parent process names. */
import type { Readable, Writable } from 'node:stream'
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import { SqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import { batchedOutput } from './batched-output.ts'
import type { CallMeta } from './call-meta.ts'
import type { Caller } from './calls.ts'
import { instructionsFor } from './instructions.ts'
import { createServer } from './server.ts'
import { aboutOf, type CallingParts, createCalls, createInstructions, type McpDoor } from './start.ts'

export interface StdioParts extends CallingParts {
  /** Who asks, found out anew for each request: expiry and revocation hold here too. @throws SqlError */
  readonly authenticate: (meta: CallMeta) => Promise<Principal>
  readonly input: Readable
  readonly output: Writable
}

export interface StdioDoor extends Omit<McpDoor, 'port' | 'url'> {
  /** Resolves when the parent has closed its end. */
  readonly ended: Promise<void>
}

const session = 'stdio'
const drainLookEveryMs = 5

/** @param first who the process was started for, where a token of the first request does not say */
export async function startStdio(parts: StdioParts, first: Principal | undefined): Promise<StdioDoor> {
  const calls = createCalls(parts)
  const tenant = first === undefined ? null : await createInstructions(parts).of(first.tenantName)
  const own = first === undefined ? undefined : aboutOf(first)
  let withdrawn: SqlError | undefined
  const caller = async (meta: CallMeta): Promise<Caller> => {
    if (withdrawn !== undefined) throw withdrawn
    const sinceMs = performance.now()
    const principal = await parts.authenticate(meta)
    if (meta.tenant !== undefined && meta.tenant !== principal.tenantName) throw notThere(meta.tenant)
    return { principal, sinceMs, address: 'local', session, applicationName: 'mcp' }
  }
  const output = batchedOutput(parts.output)
  const transport = new StdioServerTransport(parts.input, output)
  const ended = new Promise<void>(resolve => {
    parts.input.once('end', resolve)
    parts.input.once('close', resolve)
    output.once('error', () => resolve())
  })
  const handle = serveStdio(
    () =>
      createServer({
        calls,
        version: parts.version,
        instructions: instructionsFor(tenant),
        callerOf: (_context, meta) => caller(meta),
        onFault: error => parts.log.debug({ error }, 'an MCP message was not delivered'),
      }),
    { transport, onerror: error => parts.log.debug({ error }, 'an MCP message was not understood') },
  )
  return {
    ended,
    sessions: () => [
      ...calls.running,
      ...(first === undefined ? [] : [{ tenantId: first.tenant, principalId: first.id, credential: first.credential }]),
    ],
    end(matches, error) {
      calls.end(matches, error)
      if (own !== undefined && matches(own)) withdrawn = error
    },
    async close(deadlineMs) {
      const until = performance.now() + deadlineMs
      while (calls.running.length > 0 && performance.now() < until)
        await new Promise(resolve => setTimeout(resolve, drainLookEveryMs))
      await handle.close()
      await new Promise<void>(resolve => output.end(() => resolve()))
    },
  }
}

/** The principal that the process was started for is of one tenant. */
function notThere(tenant: string): SqlError {
  return new SqlError({ code: '28000', message: `this server is not good for tenant "${tenant.slice(0, 64)}"` })
}
