/**
 * What a principal may know of a schema: exactly the tables and columns that `query` may read, with what people wrote
 * about them. Names, comments, defaults and values were written by a tenant or by strangers: data, never instructions.
 */
import type { KnowledgeEntry } from '../control/knowledge-entries.ts'
import type { Learning } from '../control/learnings.ts'
import type { MetricNote, TableKnowledge } from './annotations.ts'

export interface SchemaMetadata {
  /** The database's alias. */
  readonly database: string
  readonly schema: string
  /** COMMENT ON SCHEMA. */
  readonly description: string | null
  /** When the catalog was read. Sizes are as of then. */
  readonly generatedAt: Date
  /** Changes with the DDL of the schema. */
  readonly version: string
  /** By name. */
  readonly tables: readonly TableMetadata[]
  /** Enums that columns have, by schema and name. */
  readonly enums: readonly EnumMetadata[]
  /** Foreign keys that begin here, then those that the semantic layer adds. */
  readonly relationships: readonly Relationship[]
  readonly metrics: readonly MetricNote[]
  readonly knowledge: readonly KnowledgeEntry[]
  readonly learnings: readonly Learning[]
  /** What could not be taken into account, one sentence each. */
  readonly warnings: readonly string[]
}

export type TableKind = 'table' | 'view' | 'materialized view' | 'partitioned table' | 'foreign table'

/** By estimated rows: below 10 thousand, 1 million, 100 million, above; `unknown`: never analysed, or a view. */
export type SizeClass = 'small' | 'medium' | 'large' | 'huge' | 'unknown'

export interface TableName {
  readonly schema: string
  readonly name: string
}

export interface TableMetadata extends TableName {
  readonly kind: TableKind
  /** The semantic layer's, else COMMENT ON's, else null. */
  readonly description: string | null
  /** The planner's (pg_class.reltuples; the sum over partitions), null where there is none. Never a count. */
  readonly rowsEstimate: number | null
  readonly sizeClass: SizeClass
  /** Of which table it is a partition, where that may be read. */
  readonly partitionOf: TableName | null
  /** Such as `RANGE (day)`. */
  readonly partitionKey: string | null
  /** Tables whose columns it inherits, partitions apart; those that may be read. */
  readonly inherits: readonly TableName[]
  /** In the table's order; those that may not be read are left out, and keys, indexes and checks with them. */
  readonly columns: readonly ColumnMetadata[]
  /** The database's, else the semantic layer's; empty where there is none. */
  readonly primaryKey: readonly string[]
  readonly uniqueKeys: readonly (readonly string[])[]
  /** Only those whose other table may be read. */
  readonly foreignKeys: readonly ForeignKey[]
  readonly referencedBy: readonly ForeignKey[]
  readonly indexes: readonly IndexMetadata[]
  readonly checks: readonly CheckMetadata[]
  readonly knowledge: TableKnowledge | null
}

export interface ColumnMetadata {
  readonly name: string
  /** As format_type gives it, without the schema where it is the table's own. */
  readonly type: string
  /** Of a domain: what it stands for. */
  readonly baseType: string | null
  /** False only where the database enforces it: columns of views are nullable. */
  readonly nullable: boolean
  /** An expression. */
  readonly default: string | null
  readonly identity: boolean
  /** The default is the expression that it is computed by, null where other columns are kept back. */
  readonly generated: boolean
  /** The semantic layer's, else COMMENT ON's, else null. */
  readonly description: string | null
  readonly enumValues: readonly string[] | null
  /** By the semantic layer, or by its name (settings catalog.sensitive): its values are never sampled. */
  readonly pii: boolean
  /** Whether its values come changed. No policy of today masks. */
  readonly masked: boolean
  readonly unit: string | null
  readonly aggregation: string | null
  readonly synonyms: readonly string[]
  /** Up to three values as text; null: not asked for, or none may be shown. */
  readonly samples: readonly string[] | null
}

/** `table`(`columns`) refers to `to`(`toColumns`). */
export interface ForeignKey {
  readonly table: TableName
  readonly columns: readonly string[]
  readonly to: TableName
  readonly toColumns: readonly string[]
}

export interface Relationship extends ForeignKey {
  readonly source: 'foreign key' | 'semantic layer'
  /** Such as many-to-one; null for a foreign key. */
  readonly type: string | null
}

export interface IndexMetadata {
  readonly name: string
  /** Method and keys: `btree (lower(email)) WHERE active`. */
  readonly definition: string
  readonly unique: boolean
}

export interface CheckMetadata {
  readonly name: string
  /** `CHECK (price > 0)` */
  readonly definition: string
}

export interface EnumMetadata extends TableName {
  readonly values: readonly string[]
  readonly description: string | null
}
