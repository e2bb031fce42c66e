/**
 * What people wrote about a schema's data, beside the data: the semantic layer and the knowledge base. It is keyed by
 * logical names, so that a schema that is made anew finds it again, and never decides what may be read.
 */

export interface AnnotationSource {
  /** @param schema its name, or its purpose where it was provisioned. @throws SqlError where it cannot be read */
  of(tenantId: string, databaseAlias: string, schema: string): Promise<Annotations>
}

export interface Annotations {
  /** Table → what the semantic layer says of it. */
  readonly entities: ReadonlyMap<string, EntityNote>
  readonly relationships: readonly RelationshipNote[]
  readonly metrics: readonly MetricNote[]
  /** Table → what the knowledge base says of it. */
  readonly tables: ReadonlyMap<string, TableKnowledge>
  readonly general: readonly KnowledgeEntry[]
  /** Active ones, the most certain first. */
  readonly learnings: readonly Learning[]
}

export interface EntityNote {
  readonly description?: string | undefined
  /** Columns that identify a row where no key of the database does. */
  readonly primaryKey?: readonly string[] | undefined
  readonly columns: ReadonlyMap<string, ColumnNote>
}

export interface ColumnNote {
  readonly description?: string | undefined
  readonly pii?: boolean | undefined
  /** Such as EUR, kg, ms. */
  readonly unit?: string | undefined
  /** How values are put together: sum, avg, max … */
  readonly aggregation?: string | undefined
  readonly synonyms?: readonly string[] | undefined
}

export interface RelationshipNote {
  readonly table: string
  readonly columns: readonly string[]
  readonly toTable: string
  readonly toColumns: readonly string[]
  /** Such as many-to-one. */
  readonly type?: string | undefined
}

export interface MetricNote {
  readonly name: string
  readonly description?: string | undefined
  /** An SQL expression. */
  readonly expression: string
  readonly table?: string | undefined
}

export interface TableKnowledge {
  readonly useCases: readonly string[]
  readonly qualityNotes: readonly string[]
  readonly owner: string | null
  readonly refreshFrequency: string | null
  readonly joinHints: readonly string[]
  /** Column → note. */
  readonly columnNotes: ReadonlyMap<string, string>
}

export interface KnowledgeEntry {
  readonly id: string
  readonly title: string
  readonly markdown: string
  readonly tags: readonly string[]
}

export interface Learning {
  readonly id: string
  readonly description: string
  readonly category: string
  readonly tables: readonly string[]
  readonly failingSql: string | null
  readonly correctedSql: string | null
  /** 0 to 1 */
  readonly confidence: number
  readonly timesApplied: number
}
