/** One call of a tool, from its name and arguments to its envelope: checked, counted, run and written to the audit log. */
import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { AuditSink } from '../audit/record.ts'
import { SqlError, toSqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import { nearest } from '../nearest.ts'
import type { Log } from '../observe/log.ts'
import { parseArguments } from './arguments.ts'
import { auditedArguments } from './audited-arguments.ts'
import type { CallMeta } from './call-meta.ts'
import { CallError, causeOf, codeOf } from './codes.ts'
import { confirmFor, Question, type Reply } from './confirm.ts'
import { cursorsFor } from './cursors.ts'
import { type Envelope, failureEnvelope, successEnvelope } from './envelope.ts'
import type { Progress } from './progress.ts'
import type { Tool, ToolAnswer, ToolContext, ToolServices } from './tool.ts'
import { asSqlError } from './unavailable.ts'

const endsKeptMs = 60_000

/** Who calls, as his door found out for this very request. */
export interface Caller {
  readonly principal: Principal
  /** When that was found out: performance.now(). */
  readonly sinceMs: number
  readonly address: string
  /** Identifies the conversation in the audit: a protocol session, a connection. */
  readonly session: string
  /** As it calls itself; nobody has checked it. */
  readonly applicationName: string
}

export interface CallRequest {
  readonly name: string
  readonly args: unknown
  readonly meta: CallMeta
  readonly caller: Caller
  readonly signal: AbortSignal
  readonly endedBy: ToolContext['endedBy']
  readonly progress: Progress | undefined
  /** Whether the host can ask its user something. */
  readonly canAsk: boolean
  readonly reply: Reply | undefined
}

export interface CallParts {
  readonly services: ToolServices
  readonly tools: readonly Tool[]
  readonly control: Pool
  readonly audit: AuditSink
  readonly log: Log
  /** 32 bytes each, the same on every instance. */
  readonly cursorKey: Buffer
  readonly confirmationKey: Buffer
}

/** What runs now, for revocation. */
interface Running {
  readonly principal: Principal
  readonly controller: AbortController
  /** Why it was ended from outside. */
  ended: SqlError | undefined
}

export interface RunningCall {
  readonly tenantId: string
  readonly principalId: string
  readonly credential: string | null
}

export class Calls {
  readonly #parts: CallParts
  readonly #byName: ReadonlyMap<string, Tool>
  readonly #running = new Set<Running>()
  #flushing: Promise<void> | undefined
  /** For calls whose callers were found out before, and that had not begun. */
  #ends: readonly { matches: (about: RunningCall) => boolean; error: SqlError; atMs: number }[] = []

  constructor(parts: CallParts) {
    this.#parts = parts
    this.#byName = new Map(parts.tools.map(tool => [tool.name, tool]))
  }

  /** Those that this caller may call, in the order of the contract. */
  toolsFor(principal: Principal): readonly Tool[] {
    return this.#parts.tools.filter(tool => principal.scopes.has(tool.scope))
  }

  find(name: string): Tool | undefined {
    return this.#byName.get(name)
  }

  get running(): readonly RunningCall[] {
    return [...this.#running].map(aboutOf)
  }

  /** Calls that match fail with `error`, and what they run is stopped. */
  end(matches: (about: RunningCall) => boolean, error: SqlError): void {
    const now = performance.now()
    this.#ends = [...this.#ends.filter(({ atMs }) => now - atMs < endsKeptMs), { matches, error, atMs: now }]
    for (const one of this.#running) {
      if (!matches(aboutOf(one))) continue
      one.ended = error
      one.controller.abort(error)
    }
  }

  /** Never rejects, but with a {@link Question} that the host must put to its user. */
  async call(request: CallRequest): Promise<Envelope> {
    const startedAt = performance.now()
    const requestId = randomUUID()
    const controller = new AbortController()
    const running: Running = { principal: request.caller.principal, controller, ended: undefined }
    this.#running.add(running)
    const onAbort = () => controller.abort(request.signal.reason)
    if (request.signal.aborted) onAbort()
    else request.signal.addEventListener('abort', onAbort, { once: true })
    let outcome: ToolAnswer<unknown> | SqlError | Question
    try {
      outcome = await this.#run(request, requestId, controller.signal)
    } catch (thrown) {
      if (thrown instanceof Question) outcome = thrown
      else outcome = running.ended ?? asSqlError(thrown)
    } finally {
      request.signal.removeEventListener('abort', onAbort)
      this.#running.delete(running)
    }
    const timingMs = Math.round((performance.now() - startedAt) * 100) / 100
    const about = { tenant: request.caller.principal.tenantName, requestId, timingMs }
    const cancelled = request.signal.aborted
    try {
      this.#record(request, requestId, outcome, timingMs, cancelled)
      await this.#flush()
    } catch (thrown) {
      return failureEnvelope(toSqlError(thrown), false, about)
    }
    if (outcome instanceof Question) throw outcome
    if (!(outcome instanceof SqlError)) return successEnvelope(outcome, about)
    if (causeOf(outcome, cancelled) === 'internal')
      this.#parts.log.error({ error: outcome, tool: request.name, requestId }, 'a tool failed')
    return failureEnvelope(outcome, cancelled, about)
  }

  async #run(request: CallRequest, requestId: string, signal: AbortSignal): Promise<ToolAnswer<unknown>> {
    const { services } = this.#parts
    const { principal } = request.caller
    const { sinceMs } = request.caller
    const end = this.#ends.find(({ atMs, matches }) => atMs >= sinceMs && matches(aboutOf({ principal })))
    if (end !== undefined) throw end.error
    const tool = this.#byName.get(request.name)
    if (tool === undefined) throw this.#unknown(request)
    if (!principal.scopes.has(tool.scope)) throw lacksScope(tool)
    const args = parseArguments(tool.name, tool.input, request.args)
    const taken = services.limiter.take(limited(principal), tool.name === 'query' ? 'query' : 'call')
    if (taken !== undefined) await taken
    return await tool.run(args, this.#contextOf(request, requestId, signal, tool.name, args))
  }

  /** For what is no tool: resources and completion. @throws SqlError 53400 */
  async contextFor(request: CallRequest): Promise<ToolContext> {
    await this.#parts.services.limiter.take(limited(request.caller.principal), 'call')
    return this.#contextOf(request, randomUUID(), request.signal, request.name, {})
  }

  #contextOf(
    request: CallRequest,
    requestId: string,
    signal: AbortSignal,
    tool: string,
    args: Readonly<Record<string, unknown>>,
  ): ToolContext {
    const { services, control, cursorKey, confirmationKey } = this.#parts
    const { caller, meta } = request
    const { principal } = caller
    const target = targetOf(args, meta)
    const about = { tool, tenantId: principal.tenant, principalId: principal.id, args }
    const { canAsk, reply } = request
    return {
      principal,
      services,
      target,
      signal,
      endedBy: () => (signal.aborted ? (request.endedBy() ?? 'gone') : undefined),
      progress: request.progress,
      confirm: confirmFor({ control, key: confirmationKey }, { ...about, canAsk, reply }),
      cursors: cursorsFor(
        cursorKey,
        { tool, tenant: principal.tenant, principal: principal.id, target, args },
        services.now,
      ),
      client: { address: caller.address, applicationName: caller.applicationName },
      requestId,
      traceId: meta.traceId,
    }
  }

  /** To be in the spool before the answer leaves, and the records of its statements with it. @throws SqlError 57P03 */
  #record(
    request: CallRequest,
    requestId: string,
    outcome: ToolAnswer<unknown> | SqlError | Question,
    runMs: number,
    cancelled: boolean,
  ): void {
    const { audit, services } = this.#parts
    const { caller, meta, name } = request
    const { principal } = caller
    const failed = outcome instanceof SqlError ? outcome : undefined
    const answered = outcome instanceof Error ? undefined : outcome
    audit.append({
      time: services.now(),
      kind: 'tool-call',
      door: 'mcp',
      principalId: principal.id,
      principal: principal.login,
      tenantId: principal.tenant,
      tenant: principal.tenantName,
      credential: principal.credential ?? undefined,
      database: answered?.database,
      schema: answered?.schema,
      session: caller.session,
      requestId,
      traceId: meta.traceId,
      tool: name.slice(0, 100),
      verdict: failed !== undefined ? 'failed' : outcome instanceof Question ? 'asked' : 'answered',
      reason: failed === undefined ? undefined : codeOf(failed.code, causeOf(failed, cancelled)),
      sqlstate: failed?.code,
      runMs,
      address: caller.address,
      applicationName: caller.applicationName,
      detail: { arguments: auditedArguments(this.#byName.get(name), request.args) },
    })
  }

  /** One write for all calls that end in this turn of the event loop. @throws SqlError 57P03 */
  #flush(): Promise<void> {
    this.#flushing ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#flushing = undefined
        try {
          this.#parts.audit.flush()
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
    return this.#flushing
  }

  #unknown({ name, caller }: CallRequest): CallError {
    const known = this.toolsFor(caller.principal).map(tool => tool.name)
    const meant = nearest(name, known)
    return new CallError('arguments', {
      code: '42883',
      message: `there is no tool "${name.slice(0, 100)}"${meant === undefined ? '' : `, did you mean "${meant}"?`}`,
      hint: `There is ${known.join(', ')}.`,
    })
  }
}

/** Its argument, else `_meta`'s: a schema of `_meta` is one of `_meta`'s database. */
function targetOf(args: Readonly<Record<string, unknown>>, meta: CallMeta): ToolContext['target'] {
  const database = typeof args.database === 'string' ? args.database : undefined
  const schema = typeof args.schema === 'string' ? args.schema : undefined
  const elsewhere = database !== undefined && database !== meta.database
  return { database: database ?? meta.database, schema: schema ?? (elsewhere ? undefined : meta.schema) }
}

export function lacksScope({ name, scope }: Pick<Tool, 'name' | 'scope'>): SqlError {
  return new SqlError({
    code: '42501',
    message: `${name} needs the scope ${scope}`,
    hint: 'Your role or your token does not have it: ask the administrator of your tenant.',
  })
}

function limited({ id, tenant, name }: Principal) {
  return { id, tenant, name }
}

function aboutOf({ principal }: Pick<Running, 'principal'>): RunningCall {
  return { tenantId: principal.tenant, principalId: principal.id, credential: principal.credential }
}
