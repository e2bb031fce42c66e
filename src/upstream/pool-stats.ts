export interface PoolStats {
  readonly key: string
  readonly idle: number
  readonly held: number
  readonly connecting: number
  readonly waiting: number
  /** No connection, and the last attempt failed. */
  readonly down: boolean
}
