import type { SqlError } from '../errors.ts'
import type { CatalogSnapshot } from '../guard/catalog.ts'
import type { Policy } from '../guard/policy.ts'
import type { Pool } from '../upstream/pool.ts'

/** The authenticated caller, as far as a session needs to know it (identity's Principal is one). */
export interface SessionPrincipal {
  readonly id: string
  /** The tenant's id. */
  readonly tenant: string
  readonly tenantName: string
  readonly name: string
  /** `alice@acme` */
  readonly login: string
  /** What revocation names: an API key's id, a token's; null or left out: the password. */
  readonly credential?: string | null
  /** Milliseconds since the epoch, or null: never. */
  readonly expiresAt: number | null
}

/** A tenant database that is open for sessions: its pool, what is known of it, and who may do what there. */
export interface ServedDatabase {
  readonly id: string
  readonly tenant: string
  /** The real name, which SQL sees. */
  readonly name: string
  readonly alias: string
  readonly pool: Pool
  /** 'session': an upstream is held from the first statement to the end of the session. */
  readonly pooling: 'transaction' | 'session'
  /** The newest snapshot. */
  catalog(): CatalogSnapshot
  /** Reads the catalog again if it changed; coalesced and rate-limited by the implementor. */
  refreshCatalog(): Promise<CatalogSnapshot>
  policyOf(principal: SessionPrincipal): Policy
  /** ParameterStatus as the tenant's server reports it at login. */
  parameters(): ReadonlyMap<string, string>
  /** Why the database is not served (its locks did not hold, it was disabled), or null. */
  refusal(): SqlError | null
}
