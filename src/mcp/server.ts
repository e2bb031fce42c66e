/** The protocol's side of the door: its requests become calls, and envelopes its results, the same for both eras. */
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import { type CallMeta, readCallMeta } from './call-meta.ts'
import type { Caller, CallRequest, Calls } from './calls.ts'
import { Question, type Reply } from './confirm.ts'
import { type CallAbout, type Envelope, failureEnvelope } from './envelope.ts'
import { progressOf } from './progress.ts'
import { definitionOf } from './registry.ts'
import { serveReading } from './server-reading.ts'
import { asSqlError } from './unavailable.ts'

export interface ServerParts {
  readonly calls: Calls
  readonly version: string
  /** The server's and the tenant's. */
  readonly instructions: string
  /** Who sent this very request. @throws SqlError where he may not any more */
  callerOf(context: ServerContext, meta: CallMeta): Caller | Promise<Caller>
  /** What kept a request from being answered, for the log. */
  onFault(error: Error): void
}

const listTtlMs = 60_000
const answerKey = 'name'
const clientNameMaxChars = 100

export function createServer(parts: ServerParts): Server {
  const server = new Server(
    { name: 'postern', title: 'Postern', version: parts.version },
    {
      capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
      instructions: parts.instructions,
      cacheHints: { 'tools/list': { ttlMs: listTtlMs, cacheScope: 'private' } },
    },
  )
  server.onerror = error => parts.onFault(error)
  server.setRequestHandler('tools/list', async (_request, context) => {
    const caller = await parts.callerOf(context, readCallMeta(context.mcpReq._meta))
    return { tools: parts.calls.toolsFor(caller.principal).map(definitionOf) }
  })
  server.setRequestHandler('tools/call', async (request, context) => {
    const { name, arguments: args } = request.params
    try {
      const call = await requestOf(parts, server, context, name, args)
      return resultOf(await parts.calls.call(call))
    } catch (thrown) {
      if (thrown instanceof Question) return askUser(thrown)
      return resultOf(failureEnvelope(asSqlError(thrown), context.mcpReq.signal.aborted, nobody(context)))
    }
  })
  serveReading(server, parts.calls, (context, name) => requestOf(parts, server, context, name, {}))
  return server
}

async function requestOf(
  parts: ServerParts,
  server: Server,
  context: ServerContext,
  name: string,
  args: unknown,
): Promise<CallRequest> {
  const { mcpReq, http } = context
  const meta = readCallMeta(mcpReq._meta)
  const caller = await parts.callerOf(context, meta)
  // In the older era a closed stream does not end its request by itself.
  const stream = http?.req?.signal
  const signal = stream === undefined ? mcpReq.signal : AbortSignal.any([mcpReq.signal, stream])
  const client = clientOf(server, context)
  const send = (params: object) => {
    mcpReq
      .notify({ method: 'notifications/progress', params: { ...params } })
      .catch((error: Error) => parts.onFault(error))
  }
  return {
    name,
    args,
    meta,
    caller: { ...caller, applicationName: client.name ?? caller.applicationName },
    signal,
    endedBy: () => endedBy(mcpReq.signal, stream),
    progress: progressOf(mcpReq._meta?.progressToken, send, () => signal.aborted),
    canAsk: client.canAsk,
    reply: replyOf(context),
  }
}

/** A cancelled notification aborts with its reason, the end of a connection with an error. */
function endedBy(request: AbortSignal, stream: AbortSignal | undefined): 'cancelled' | 'gone' | undefined {
  if (request.aborted) return request.reason instanceof Error && 'code' in request.reason ? 'gone' : 'cancelled'
  return stream?.aborted === true ? 'gone' : undefined
}

/** What the client says of itself: with each request in the newer era, at its start in the older one. */
const envelopeSchema = z.object({
  [CLIENT_INFO_META_KEY]: z.object({ name: z.string(), version: z.string() }).optional(),
  [CLIENT_CAPABILITIES_META_KEY]: z
    .object({ elicitation: z.object({ form: z.unknown().optional(), url: z.unknown().optional() }).optional() })
    .optional(),
})

function clientOf(server: Server, { mcpReq }: ServerContext) {
  const said = mcpReq.envelope === undefined ? undefined : envelopeSchema.safeParse(mcpReq.envelope).data
  const client = said?.[CLIENT_INFO_META_KEY] ?? server.getClientVersion()
  const capabilities =
    mcpReq.envelope === undefined ? server.getClientCapabilities() : said?.[CLIENT_CAPABILITIES_META_KEY]
  const elicitation = capabilities?.elicitation
  return {
    name: client === undefined ? undefined : `${client.name} ${client.version}`.slice(0, clientNameMaxChars),
    canAsk: elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined),
  }
}

function replyOf({ mcpReq }: ServerContext): Reply | undefined {
  const state = mcpReq.requestState<string>()
  if (typeof state !== 'string') return undefined
  const view = inputResponse(mcpReq.inputResponses, 'confirm')
  if (view.kind !== 'elicit') return { state, action: 'cancel', typed: undefined }
  const typed = view.action === 'accept' ? view.content?.[answerKey] : undefined
  return { state, action: view.action, typed: typeof typed === 'string' ? typed.trim() : undefined }
}

function askUser({ message, subject, state }: Question): InputRequiredResult {
  return inputRequired({
    requestState: state,
    inputRequests: {
      confirm: inputRequired.elicit({
        message,
        requestedSchema: {
          type: 'object',
          properties: { [answerKey]: { type: 'string', title: 'Name', description: `Type ${subject} to confirm` } },
          required: [answerKey],
        },
      }),
    },
  })
}

function resultOf({ structured, text, isError, meta }: Envelope): CallToolResult {
  return {
    content: [{ type: 'text', text }],
    structuredContent: structured,
    ...(isError ? { isError } : {}),
    _meta: meta,
  }
}

/** For a request that did not get as far as being a call. */
function nobody({ mcpReq }: ServerContext): CallAbout {
  return { tenant: undefined, requestId: String(mcpReq.id), timingMs: 0 }
}
