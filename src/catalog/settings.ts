/** How long metadata is trusted, and what is sampled: the operator's, `catalog` of the configuration. */
export interface CatalogSettings {
  readonly ttlMs: number
  readonly trustMs: number
  /** Schemas whose metadata is held in memory. */
  readonly schemasMax: number
  /** Words of names of columns whose values are never sampled. */
  readonly sensitive: readonly string[]
  /** Rows read of one table. */
  readonly sampleRowsMax: number
  readonly sampleTimeoutMs: number
  /** The planner's estimate for a view, above which it is not sampled. */
  readonly sampleCostMax: number
  readonly sampleTtlMs: number
}
