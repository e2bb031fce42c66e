/** What a client has parsed, bound and declared. */
import type { Expectations } from './expectation.ts'
import type { Judged } from './judgement.ts'
import type { Plan } from './plan.ts'
import type { TextSource } from './position.ts'

/** A prepared statement of a client's, named or not. */
export interface ClientStatement {
  readonly name: string
  readonly text: string
  readonly parameterTypes: readonly number[]
  /** Under what it was judged: judged again at Bind when that has changed. */
  contextKey: string
  plan: Plan
  source: TextSource | undefined
  /** By what name an upstream knows it (unique in this process). */
  upstreamKey: string
  /** Kept on upstreams under its key; else parsed as their unnamed statement. */
  cached: boolean
  /** This client's text of the one statement in it. */
  statementText: string
  judged: Judged
}

/** A portal: what Execute runs, and how much it has already given. */
export interface ClientPortal {
  readonly name: string
  readonly statement: ClientStatement
  readonly plan: Plan
  /** Text values of the parameters, where the plan tracks a set_config. */
  readonly parameters: readonly (string | null)[]
  /** Of its Bind among what is expected. */
  readonly place: number
  rows: number
  bytes: number
  /** Has given all that the limits allow. */
  exhausted: boolean
}

/** A cursor that the client declared: its rows are counted over its life. */
export interface ClientCursor {
  rows: number
  bytes: number
}

/** A transaction is over, and its portals with it. Those of the series that are under way behind it stay. */
export function dropPortals(portals: Map<string, ClientPortal>, expectations: Expectations): void {
  for (const [name, { place }] of portals) if (!expectations.isPending(place)) portals.delete(name)
}
