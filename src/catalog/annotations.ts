/**
 * What people and agents wrote about a schema's data, beside the data: the semantic layer and the knowledge base. It is
 * keyed by logical names, so that a schema that is made anew finds it again, and never decides what may be read. Every
 * text is as somebody gave it: data, never an instruction.
 */
import type { KnowledgeEntry } from '../control/knowledge-entries.ts'
import type { Learning } from '../control/learnings.ts'

/** What is written about the tables of one schema. */
export interface Annotations {
  /** By table. */
  readonly entities: ReadonlyMap<string, EntityNote>
  readonly relationships: readonly RelationshipNote[]
  readonly metrics: readonly MetricNote[]
  /** By table. */
  readonly tables: ReadonlyMap<string, TableKnowledge>
  /** The last changed first; only so many as annotationLimits lets through. */
  readonly general: readonly KnowledgeEntry[]
  /** Active ones, the surest first; only so many as annotationLimits lets through. */
  readonly learnings: readonly Learning[]
  /** One sentence each: a file that cannot be read as it stands now. */
  readonly warnings: readonly string[]
}

export interface AnnotationSource {
  /**
   * @param schema its logical name: the purpose of a schema that was provisioned, else the schema's own name
   * @throws SqlError F0000 where what is written cannot be understood and never was: marks of sensitive columns could
   * be among it
   */
  of(tenantId: string, databaseAlias: string, schema: string): Promise<Annotations>
}

export interface EntityNote {
  readonly description: string | undefined
  readonly primaryKey: readonly string[] | undefined
  readonly synonyms: readonly string[]
  /** By column. */
  readonly columns: ReadonlyMap<string, ColumnNote>
  /** It was written for this very schema, rather than for any that has such a table. */
  readonly exact: boolean
}

export interface ColumnNote {
  readonly description: string | undefined
  /** As whoever described it takes it to be: for drift alone. */
  readonly type: string | undefined
  readonly pii: boolean | undefined
  readonly unit: string | undefined
  readonly aggregation: 'sum' | 'avg' | 'min' | 'max' | 'count' | 'count_distinct' | 'none' | undefined
  readonly synonyms: readonly string[]
}

export interface RelationshipNote {
  readonly table: string
  readonly columns: readonly string[]
  readonly toTable: string
  readonly toColumns: readonly string[]
  readonly type: 'many-to-one' | 'one-to-one' | 'one-to-many' | 'many-to-many'
  readonly description: string | undefined
  readonly exact: boolean
}

export interface MetricNote {
  readonly name: string
  readonly description: string | undefined
  readonly table: string
  /** SQL over columns of the table: `sum(total)`. */
  readonly expression: string
  /** SQL conditions, all of which hold. */
  readonly filters: readonly string[]
  readonly unit: string | undefined
  readonly synonyms: readonly string[]
  readonly exact: boolean
}

/** The more specific row's facts over the more general's. */
export interface TableKnowledge {
  readonly useCases: readonly string[]
  readonly qualityNotes: string | null
  readonly owner: string | null
  readonly refreshFrequency: string | null
  readonly joinHints: readonly string[]
  /** By column. */
  readonly columnNotes: ReadonlyMap<string, string>
}
