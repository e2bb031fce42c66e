/** Resources, prompts and completion: what a host reads on its own, beside the tools. */
import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { CallRequest, Calls } from './calls.ts'
import { complete, completedArguments } from './completion.ts'
import { fence } from './envelope.ts'
import { prompts } from './prompts.ts'
import { listResources, readResource, resourceTemplates } from './resources.ts'
import type { ToolContext } from './tool.ts'
import { asSqlError } from './unavailable.ts'

type RequestOf = (context: ServerContext, name: string) => Promise<CallRequest>

export function serveReading(server: Server, calls: Calls, requestOf: RequestOf): void {
  const contextOf = async (context: ServerContext): Promise<ToolContext> =>
    calls.contextFor(await requestOf(context, context.mcpReq.method))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: resourceTemplates.map(template => ({ ...template })),
  }))
  server.setRequestHandler('resources/list', (_request, context) =>
    orProtocolError(async () => {
      const resources = await listResources(await contextOf(context))
      return { resources: resources.map(resource => ({ ...resource })) }
    }),
  )
  server.setRequestHandler('resources/read', ({ params }, context) =>
    orProtocolError(async () => {
      const reading = await contextOf(context)
      const found = await readResource(params.uri, reading)
      if (found === undefined) throw new ResourceNotFoundError(params.uri)
      const { uri, mimeType, text } = found
      return {
        contents: [{ uri, mimeType, text: fence(text, reading.requestId), _meta: { 'postern/untrusted': true } }],
      }
    }),
  )
  servePrompts(server)
  server.setRequestHandler('completion/complete', ({ params }, context) =>
    orProtocolError(async () => {
      const argument = completedArguments.find(name => name === params.argument.name)
      if (argument === undefined) return { completion: { values: [] } }
      const given = params.context?.arguments ?? {}
      const there = { database: given.database, schema: given.schema }
      const { values, total } = await complete(argument, params.argument.value, {
        ...(await contextOf(context)),
        target: there,
      })
      return { completion: { values: [...values], total, hasMore: total > values.length } }
    }),
  )
}

function servePrompts(server: Server): void {
  server.setRequestHandler('prompts/list', () => ({
    prompts: prompts.map(({ name, title, description, arguments: { shape } }) => ({
      name,
      title,
      description,
      arguments: Object.entries(shape).map(([argument, schema]) => ({
        name: argument,
        ...(schema.description === undefined ? {} : { description: schema.description }),
        required: !schema.safeParse(undefined).success,
      })),
    })),
  }))
  server.setRequestHandler('prompts/get', ({ params }) =>
    orProtocolError(async () => {
      const prompt = prompts.find(one => one.name === params.name)
      if (prompt === undefined) {
        const names = prompts.map(one => one.name).join(', ')
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no such prompt: there is ${names}`)
      }
      const text = prompt.render(params.arguments)
      return {
        description: prompt.description,
        messages: [{ role: 'user' as const, content: { type: 'text' as const, text } }],
      }
    }),
  )
}

/** Of what failed, as much as a tool would say. */
async function orProtocolError<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof ProtocolError) throw thrown
    const { code, message, hint } = asSqlError(thrown)
    const kind =
      code.startsWith('22') || code.startsWith('42') ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError
    throw new ProtocolError(kind, hint === undefined ? message : `${message}. ${hint}`, { sqlstate: code })
  }
}
