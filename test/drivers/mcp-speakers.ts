/** MCP clients as they are published, of both eras, over both transports, called in the same words. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'

/** Where the server is: an address, or a command of which the client makes its own. */
export type Place =
  | WebPlace
  | { readonly command: string; readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }

export interface WebPlace {
  readonly url: string
  readonly key: string
  readonly fetch?: typeof fetch
}

export type Reply = { action: 'accept'; content: Record<string, string> } | { action: 'decline' | 'cancel' }

export interface CallOptions {
  signal?: AbortSignal
  onprogress?: (progress: { progress: number; total?: number | undefined; message?: string | undefined }) => void
}

export interface Speaker {
  call(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<unknown>
  tools(): Promise<readonly string[]>
  templates(): Promise<readonly string[]>
  resources(): Promise<readonly string[]>
  resource(uri: string): Promise<unknown>
  prompts(): Promise<readonly string[]>
  prompt(name: string, args: Record<string, string>): Promise<unknown>
  complete(prompt: string, name: string, value: string, given?: Record<string, string>): Promise<readonly string[]>
  /** One that no server needs to know. */
  notify(): Promise<void>
  protocol(): string | undefined
  /** Of the server that it has started. */
  pid(): number | null
  close(): Promise<void>
}

/** `ask` answers the server's questions; absent: this host cannot be asked. */
export type Connect = (place: Place, ask?: (message: string) => Reply) => Promise<Speaker>

/** The library of 2026 as it is, and told to find out what the server speaks; and the one before it. */
export const libraries: readonly (readonly [name: string, connect: Connect])[] = [
  ['the client of 2026', (place, ask) => connectNew(place, true, ask)],
  ['the client of 2026 in the protocol of 2025', (place, ask) => connectNew(place, false, ask)],
  ['the client of 2025', connectOld],
]

const elicitation = { capabilities: { elicitation: { form: {} } } }
const bearer = (key: string) => ({ requestInit: { headers: { Authorization: `Bearer ${key}` } } })
const child = <Args>({ command, args, env }: { command: string; args: Args; env: Readonly<Record<string, string>> }) =>
  ({ command, args, env, stderr: 'ignore' }) as const

async function connectNew(place: Place, auto: boolean, ask?: (message: string) => Reply): Promise<Speaker> {
  const client = new Client(
    { name: 'new', version: '1' },
    { ...(auto ? { versionNegotiation: { mode: 'auto' } } : {}), ...(ask === undefined ? {} : elicitation) },
  )
  if (ask !== undefined) client.setRequestHandler('elicitation/create', ({ params }) => ask(params.message))
  const stdio = 'url' in place ? undefined : new StdioClientTransport(child({ ...place, args: [...place.args] }))
  await client.connect(
    'url' in place
      ? new StreamableHTTPClientTransport(new URL(place.url), {
          ...bearer(place.key),
          ...(place.fetch === undefined ? {} : { fetch: place.fetch }),
        })
      : stdio!,
  )
  return {
    ...readingOf(client),
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    notify: () => client.notification({ method: 'notifications/roots/list_changed' }),
    protocol: () => client.getNegotiatedProtocolVersion(),
    pid: () => stdio?.pid ?? null,
    close: () => client.close(),
  }
}

async function connectOld(place: Place, ask?: (message: string) => Reply): Promise<Speaker> {
  const client = new OldClient({ name: 'old', version: '1' }, ask === undefined ? {} : elicitation)
  if (ask !== undefined) client.setRequestHandler(ElicitRequestSchema, ({ params }) => ask(params.message))
  const stdio = 'url' in place ? undefined : new OldStdio(child({ ...place, args: [...place.args] }))
  const http =
    'url' in place
      ? new OldHttp(new URL(place.url), {
          ...bearer(place.key),
          ...(place.fetch === undefined ? {} : { fetch: place.fetch }),
        })
      : undefined
  await client.connect(stdio ?? http!)
  return {
    ...readingOf(client),
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    notify: () => client.notification({ method: 'notifications/roots/list_changed' }),
    protocol: () => http?.protocolVersion,
    pid: () => stdio?.pid ?? null,
    close: () => client.close(),
  }
}

/** What both libraries call the same. */
type Reading = Pick<
  OldClient,
  'listTools' | 'listResourceTemplates' | 'listResources' | 'readResource' | 'listPrompts' | 'getPrompt' | 'complete'
>

function readingOf(client: Client | Reading) {
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    resource: async (uri: string): Promise<unknown> => await client.readResource({ uri }),
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name: string, args: Record<string, string>): Promise<unknown> =>
      await client.getPrompt({ name, arguments: args }),
    complete: async (prompt: string, name: string, value: string, given: Record<string, string> = {}) => {
      const ref = { type: 'ref/prompt' as const, name: prompt }
      const asked = { ref, argument: { name, value }, context: { arguments: given } }
      return (await client.complete(asked)).completion.values
    },
  }
}
