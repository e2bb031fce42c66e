/** Which pipelines and connector types there are, as their files describe them. */

export interface PipelineDefinition {
  readonly name: string
  readonly description: string | null
  readonly version: string | null
  /** The type of connector that it loads from. */
  readonly connectorType: string
  readonly sources: readonly {
    readonly name: string
    readonly table: string
    readonly mode: 'replace' | 'append' | 'merge'
  }[]
  readonly entities: readonly string[]
  /** Cron. */
  readonly schedule: string | null
  /** Why its file does not validate. */
  readonly fault: string | null
}

export interface ConnectorType {
  readonly name: string
  /** JSON schema (draft 2020-12) of what may be set for its connectors: an object. */
  readonly knobs: Readonly<Record<string, unknown>>
}

export interface PipelineRegistry {
  pipelines(): readonly PipelineDefinition[]
  connectorType(name: string): ConnectorType | undefined
}

/** Without connectors there is nothing to run. */
export const emptyRegistry: PipelineRegistry = { pipelines: () => [], connectorType: () => undefined }
