/** What a tool is: its description, its schemas and its logic, which knows nothing of the protocol that carries it. */
import type { z } from 'zod'
import type { CallLimiter } from '../budgets/call-limiter.ts'
import type { CatalogService } from '../catalog/catalog-service.ts'
import type { KnowledgeBase } from '../catalog/knowledge-base.ts'
import type { ParsedText } from '../guard/parse.ts'
import type { Principal, Scope } from '../identity/principal.ts'
import type { Runs } from '../materialize/runs.ts'
import type { Schemas } from '../materialize/schemas.ts'
import type { CallerDatabase, CallerSessions } from '../session/callers.ts'

/** Made with {@link defineTool}. */
export interface Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> {
  /** As the contract with agents has it: never renamed. */
  readonly name: string
  readonly title: string
  /** Every word of it is paid for by every agent: see the budget in test/mcp/definitions. */
  readonly description: string
  /** A strict object. With `targetArguments` where the tool works in a database. */
  readonly input: Input
  /** What `data` of the answer's envelope is. */
  readonly output: Output
  readonly scope: Scope
  readonly annotations: ToolAnnotations
  /** Offered only where the operator asked for the extended set. */
  readonly extended?: true
  /** Top-level arguments that the audit log must not hold. */
  readonly secretArguments?: readonly string[]
  /** @throws SqlError what the caller did wrong, or what failed; anything else becomes INTERNAL_ERROR */
  run(args: z.output<Input>, context: ToolContext): Promise<ToolAnswer<z.output<Output>>>
}

/** Hints for the host; they enforce nothing. */
export interface ToolAnnotations {
  readonly readOnlyHint: boolean
  readonly destructiveHint: boolean
  readonly idempotentHint: boolean
  /** Its answer may hold text that strangers wrote. */
  readonly openWorldHint: boolean
}

export const readingAnnotations: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
}

export interface ToolAnswer<Data> {
  readonly data: Data
  /** The alias of the database that answered, and the schema, where the tool works in one. */
  readonly database?: string | undefined
  readonly schema?: string | undefined
  /** What the caller should know besides, one sentence each. */
  readonly warnings?: readonly string[] | undefined
  /** The same facts as compact text, for hosts that show their model only text. Left out: `data` as JSON. */
  readonly text?: string | undefined
  /** Text and data hold values from a tenant's tables: they are fenced and marked as data. */
  readonly untrusted?: boolean | undefined
}

export interface ToolContext {
  readonly principal: Principal
  readonly services: ToolServices
  /**
   * Which database and schema is meant: the tool's own argument, or `_meta`'s. Undefined: the default. `schema` may be
   * a handle of provision_schema. `resolveTarget` (target.ts) makes the database and the schema's real name of it.
   */
  readonly target: { readonly database: string | undefined; readonly schema: string | undefined }
  /** Aborted when the caller cancels or is gone. */
  readonly signal: AbortSignal
  /**
   * `cancelled`: the caller said so (stop a run that is waited for); `gone`: its stream or session ended (let go of it).
   * Undefined as long as `signal` is not aborted.
   */
  readonly endedBy: () => 'cancelled' | 'gone' | undefined
  /** Undefined where the caller asked for none. `done` need not grow: the progress that is sent does. */
  readonly progress: ((message: string, count?: { readonly done: number; readonly total?: number }) => void) | undefined
  readonly confirm: Confirm
  readonly cursors: ToolCursors
  readonly client: { readonly address: string; readonly applicationName: string }
  readonly requestId: string
  readonly traceId: string | undefined
}

/**
 * Resolves once a person has confirmed. Until then it throws, and the tool runs again from its beginning with the
 * answer: before this call it may only read. Where the host can ask its user, the user types `subject`; elsewhere the
 * call fails with CONFIRMATION_REQUIRED and a one-time code, which comes back as `code`.
 * @throws SqlError where it was declined, or the code is not good
 */
export type Confirm = (about: {
  /** What is about to be done, and what will be lost, in sentences. */
  readonly message: string
  /** What has to be typed: the schema's name. */
  readonly subject: string
  /** The tool's argument `confirmation_code`. */
  readonly code: string | undefined
}) => Promise<void>

/**
 * Where the next page begins, as a text that the caller hands back unread. It is good for the same caller, tool, target
 * and arguments (but those that only shape a page: `cursor`, `max_rows`, `format`, `limit`), for an hour.
 */
export interface ToolCursors {
  seal(position: string): string
  /** @throws SqlError 22023 where it is not good */
  open(cursor: string): string
}

/** The databases that are served. */
export interface DatabaseDirectory {
  all(tenantId: string): readonly CallerDatabase[]
  /** By alias or real name; undefined: the tenant's only one. @throws SqlError 3D000 whose hint lists what there is */
  find(principal: Principal, name: string | undefined): CallerDatabase
}

export interface ToolServices {
  readonly directory: DatabaseDirectory
  readonly callers: CallerSessions
  readonly catalog: CatalogService
  readonly knowledge: KnowledgeBase
  readonly schemas: Schemas
  readonly runs: Runs
  readonly limiter: CallLimiter
  readonly limits: ToolLimits
  /** By the server's own grammar. @throws SqlError 42601 */
  readonly parse: (text: string) => ParsedText
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The operator's ceilings for what a tool gives. */
export interface ToolLimits {
  readonly rowsDefault: number
  readonly rowsMax: number
  readonly resultMaxBytes: number
  readonly cellMaxBytes: number
}

/** Keeps a tool's own types where it is written. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  tool: Tool<Input, Output>,
): Tool<Input, Output> {
  return tool
}
