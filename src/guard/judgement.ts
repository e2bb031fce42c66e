/** The state of judging one statement, handed through the walk. */
import type { CatalogSnapshot } from './catalog.ts'
import type { Manifest } from './manifest.ts'
import type { ParsedStatement, ParsedText } from './parse.ts'
import type { Policy } from './policy.ts'
import { type Reason, Refusal } from './refusal.ts'
import type { Scope } from './scope.ts'
import type { Fields } from './tree.ts'
import type { SetConfigCall, Splice } from './verdict.ts'

export interface JudgeContext {
  readonly policy: Policy
  readonly catalog: CatalogSnapshot
  /** As in force, without '$user' and pg_catalog's implicit place. */
  readonly searchPath: readonly string[]
  /** Type oids that Parse gives for parameters; 0 or absent: the server infers them. */
  readonly parameterTypes?: readonly number[]
  /** The principal's login name, for messages. */
  readonly user: string
  /** Parses a spliced text at once. */
  readonly parse: (text: string) => ParsedText
}

export interface Judgement {
  readonly statement: ParsedStatement
  readonly context: JudgeContext
  readonly manifest: Manifest
  /** Schemas in the order in which unqualified names are looked up, pg_catalog where it stands. */
  readonly path: readonly string[]
  /** Judging a stored definition (view, policy, domain check) instead of a client's text: nothing can be spliced, tenant functions are only noted. */
  readonly stored: boolean
  readonly relations: Set<string>
  readonly functions: Set<string>
  /** Functions outside the manifest that are reached. */
  readonly calls: Set<string>
  readonly splices: Splice[]
  /** Node fields of the judged tree → what must stand in their place in the tree of the spliced text. */
  readonly changes: Map<object, unknown>
  readonly sets: SetConfigCall[]
  /** Parameters that name a setting to show. */
  readonly examines: Set<number>
  /** Nodes that stand under a cast, which fixes what becomes of their type. */
  readonly castArguments: Set<object>
  /** The planner's estimate for the largest relation that is read; -1: none known. */
  rowsEstimateMax: number
  /** The target list of the outermost plain SELECT. */
  topTargets: readonly unknown[]
  /** Whether what stands in topTargets runs exactly once: no FROM, nothing else. */
  runsOnce: boolean
  /** Judges a wrapped node; `{}` and undefined are nothing. */
  walk(node: unknown, scope: Scope): void
  /** Judges the children of a node by its field rules alone. */
  walkFields(kind: string, fields: Fields, scope: Scope): void
}

export interface RefusalFields {
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** Byte location of the offending node. */
  readonly at?: number | undefined
}

export function refuse(judgement: Judgement, reason: Reason, fields: RefusalFields): never {
  const { at, ...rest } = fields
  const position = at === undefined ? undefined : characterPosition(judgement.statement, at)
  throw new Refusal({ ...rest, position }, reason)
}

/** 1-based position in code points in the statement's own text, as ErrorResponse field P counts. */
export function characterPosition(statement: ParsedStatement, byte: number): number {
  const end = statement.offsets.toSlice(byte)
  let characters = 0
  for (let at = 0; at < end; at += 1) {
    const unit = statement.text.charCodeAt(at)
    if (unit < 0xdc00 || unit > 0xdfff) characters += 1
  }
  return characters + 1
}
