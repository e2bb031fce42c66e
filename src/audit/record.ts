/** What the audit log holds of one event, and where those who act hand it in. */

export type AuditKind = 'statement-start' | 'statement' | 'tool-call' | 'login' | 'refusal' | 'administration'

/** The spool adds instance and sequence. Fields that are undefined are left out. */
export interface AuditRecord {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly kind: AuditKind
  /** 'wire', 'mcp', 'cli' … */
  readonly door: string
  readonly principalId?: string | undefined
  /** The login name: `alice@acme`. */
  readonly principal?: string | undefined
  readonly tenantId?: string | undefined
  /** The tenant's name. */
  readonly tenant?: string | undefined
  /** The database's alias. */
  readonly database?: string | undefined
  /** The tenant's schema that was meant, where the door has one. */
  readonly schema?: string | undefined
  readonly session: string
  readonly requestId: string
  /** W3C Trace Context: 32 digits of hex. */
  readonly traceId?: string | undefined
  /** What the principal showed itself with: the id of its API key, of its token. Never the secret. */
  readonly credential?: string | undefined
  /** The MCP tool that was called. Its arguments are `detail.arguments`, without secrets; the sink redacts SQL in them. */
  readonly tool?: string | undefined
  readonly statementKind?: string | undefined
  /** As the client sent it. The sink redacts it. */
  readonly text?: string | undefined
  /** False where `text` does not parse: hash and length are kept in its place. */
  readonly textParses?: boolean | undefined
  /** SHA-256 in hex of the whole text, where the text is not kept whole. */
  readonly textHash?: string | undefined
  readonly textBytes?: number | undefined
  /** The same for statements that differ in constants alone. The sink makes it where it is not given. */
  readonly fingerprint?: string | undefined
  readonly relations?: readonly string[] | undefined
  readonly verdict?: string | undefined
  readonly reason?: string | undefined
  readonly sqlstate?: string | undefined
  readonly rows?: number | undefined
  readonly bytes?: number | undefined
  readonly waitMs?: number | undefined
  readonly runMs?: number | undefined
  readonly address?: string | undefined
  readonly applicationName?: string | undefined
  readonly detail?: Readonly<Record<string, unknown>> | undefined
}

export interface AuditSink {
  /** @throws SqlError 57P03 where the spool is full or cannot be written. */
  append(record: AuditRecord): void
  /** One write(2) of all that was appended. @throws SqlError 57P03 where it fails: the answers must not leave. */
  flush(): void
  /** False: no new statement may start. */
  readonly healthy: boolean
}
