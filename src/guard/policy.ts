/** What one principal may run on one database: relations, functions and every limit. Plain data, resolved by whoever opens a session. */

export interface Policy {
  /** Changes whenever anything below does: part of the verdict cache's key. */
  readonly version: string
  readonly role: 'reader' | 'builder'
  /** The tenant's schemas, the first the default. */
  readonly schemas: readonly string[]
  /** Globs `schema.name` (`*`, `?`); null: every table of the schemas. */
  readonly allowedTables: readonly string[] | null
  readonly excludedTables: readonly string[]
  /** The tenant's own functions that may be called: `schema.name`. */
  readonly functions: readonly string[]
  /** Foreign tables that may be read: `schema.name`. */
  readonly foreignTables: readonly string[]
  readonly limits: Limits
  /** A builder's, and only his. */
  readonly builder?: BuilderScope | undefined
}

/** Where one run may write, beside what its policy lets it read. */
export interface BuilderScope {
  /** Its staging schemas. Each stands for itself and for every `<schema>_<name>` that the run makes. */
  readonly schemas: readonly string[]
  /** What is live: to be read, never written. Must be among the policy's `schemas`. */
  readonly liveSchemas: readonly string[]
  /** The tenant's reader role: the only one that GRANT and REVOKE may name. */
  readonly reader: string
  /** What becomes of grants to other roles: refused, or skipped with a NOTICE. */
  readonly otherGrants: 'refuse' | 'skip'
}

export interface Limits {
  /** Rows per statement, cumulative over a cursor's or portal's life. */
  readonly rowsMax: number
  /** Bytes of DataRow or CopyData frames per statement. */
  readonly bytesMax: number
  readonly cellMaxBytes: number
  readonly statementTimeoutMs: number
  /** From the first message of a request to its ReadyForQuery. */
  readonly wallClockMs: number
  readonly lockTimeoutMs: number
  readonly idleInTransactionTimeoutMs: number
  /** The same while others wait for an upstream. */
  readonly idleInTransactionContendedMs: number
  readonly transactionTimeoutMs: number
  readonly statementTextMaxBytes: number
  readonly preparedStatementsMax: number
  readonly portalsMax: number
  readonly upstreamsPerPrincipal: number
  readonly upstreamsPerTenant: number
  readonly atRowLimit: 'truncate' | 'refuse'
  readonly pushdown: 'auto' | 'off'
  /** With ORDER BY a LIMIT is spliced only when a relation is estimated above this many rows. */
  readonly pushdownSortedRowsMin: number
}

export const defaultLimits: Limits = {
  rowsMax: 10_000,
  bytesMax: 64 * 1024 * 1024,
  cellMaxBytes: 16 * 1024 * 1024,
  statementTimeoutMs: 30_000,
  wallClockMs: 60_000,
  lockTimeoutMs: 2_000,
  idleInTransactionTimeoutMs: 60_000,
  idleInTransactionContendedMs: 10_000,
  transactionTimeoutMs: 300_000,
  statementTextMaxBytes: 128 * 1024,
  preparedStatementsMax: 1_000,
  portalsMax: 100,
  upstreamsPerPrincipal: 4,
  upstreamsPerTenant: 16,
  atRowLimit: 'truncate',
  pushdown: 'auto',
  pushdownSortedRowsMin: 100_000,
}
