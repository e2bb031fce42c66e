/** Every limit of the wire door, with its default. Milliseconds, bytes and counts. */
export interface GatewayLimits {
  /** From accept to ReadyForQuery; TLS, throttling delays and opening the session included. */
  readonly loginTimeoutMs: number
  /** Connections that have not logged in, from one address (an IPv6 /64 is one). */
  readonly unauthenticatedPerAddressMax: number
  /** Connections that have not logged in, in all. */
  readonly unauthenticatedMax: number
  /** Logged-in connections of this process. */
  readonly connectionsMax: number
  /** Bytes buffered of a connection that has not logged in. */
  readonly loginBufferMaxBytes: number
  /** A longer frontend message is consumed and refused with 54000. */
  readonly messageMaxBytes: number
  /** A reader that takes nothing for this long while bytes wait for it is cut off. */
  readonly slowReaderTimeoutMs: number
  /** How long a refused client may take to read why. */
  readonly lingerMs: number
  /** Refused clients that are waited for at once; above it they are cut off without a word. */
  readonly lingeringMax: number
  /** CancelRequests a second from one address; ten times as many at once. */
  readonly cancelsPerSecond: number
  readonly keepAliveInitialDelayMs: number
}

export const defaultGatewayLimits: GatewayLimits = {
  loginTimeoutMs: 10_000,
  unauthenticatedPerAddressMax: 100,
  unauthenticatedMax: 1_000,
  connectionsMax: 20_000,
  loginBufferMaxBytes: 16 * 1024,
  messageMaxBytes: 16 * 1024 * 1024,
  slowReaderTimeoutMs: 60_000,
  lingerMs: 2_000,
  lingeringMax: 200,
  cancelsPerSecond: 20,
  keepAliveInitialDelayMs: 60_000,
}
