/** A pipeline as its file and its connector type say it together. */
import type { PipelineDocument } from './pipeline-schema.ts'
import type { ColumnDefinition, Endpoint, Pagination } from './source-schema.ts'

export interface SourceCommon {
  readonly name: string
  readonly table: string
  readonly description: string | null
  /** Of the connector type, that it is made from. */
  readonly entity: string | null
  readonly mode: 'replace' | 'append' | 'merge'
  readonly primaryKey: readonly string[]
  /** Null: inferred from the data. */
  readonly columns: ReadonlyMap<string, ColumnDefinition> | null
  readonly watermark: { readonly column: string; readonly initial?: string | number | undefined } | null
  readonly config: Readonly<Record<string, unknown>>
}

/** Where rows come from: what the connector type's entity says, under what the pipeline says. Texts are templates. */
export type Source = SourceCommon &
  (
    | {
        readonly loader: 'rest'
        readonly endpoint: Endpoint
        readonly pagination: Pagination
        /** Path of the list in an answer; `.`: the answer itself. */
        readonly records: string
      }
    | { readonly loader: 'postgres'; readonly relation: string | null; readonly query: string | null }
    | {
        readonly loader: 'file'
        readonly path: string
        readonly format: 'csv' | 'ndjson'
        readonly delimiter: string
        readonly header: boolean
      }
    | { readonly loader: 'script'; readonly script: string }
  )

export interface Pipeline {
  readonly name: string
  readonly description: string | null
  readonly version: string | null
  readonly connectorType: string
  readonly sources: readonly Source[]
  /** Names of its sources: what a run may be narrowed to. */
  readonly entities: readonly string[]
  readonly discover: { readonly entities: readonly string[] } | null
  readonly transforms:
    | { readonly kind: 'dbt'; readonly project: string; readonly models: readonly string[] | null }
    | { readonly kind: 'sql'; readonly models: string }
    | null
  /** A folder of SELECTs. As those of the transforms below {@link folder}. */
  readonly tests: string | null
  readonly relationships: PipelineDocument['relationships']
  readonly schedule: string | null
  readonly limits: {
    readonly wallClockMinutes?: number | undefined
    readonly rows?: number | undefined
    readonly bytes?: number | undefined
    readonly deadLetters?: number | undefined
  }
  readonly onSourceFailure: 'abort' | 'partial'
  readonly targets: readonly string[] | null
  /** Of the pipelines. */
  readonly folder: string
  readonly fault: null
}
