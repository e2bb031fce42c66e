import type { TlsSettings } from './dial.ts'

export interface UpstreamOptions {
  /** Name or address; an absolute path is the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  readonly tls: TlsSettings
  /** For all of it: name look-up, TLS, login. Also for each cancel request. */
  readonly connectTimeoutMs: number
  readonly applicationName: string
  /** The role that the connection starts as, and falls back to; undefined: what the login itself is set to. */
  readonly role?: string | undefined
  /** A run's builder: its transactions may write. Left out: none may. */
  readonly readWrite?: boolean | undefined
}
