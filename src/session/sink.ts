/**
 * Where a session's answers go, in the words of the protocol: backend frames in order, uncopied where they came
 * from the server, split at any byte. The gateway writes them to a socket; other doors decode them.
 */
export interface Sink {
  /** Backend frames, not necessarily whole. */
  write(bytes: Buffer): void
  /** Bytes written and not yet taken by the reader; above a high-water mark the session stops reading upstream until `session.drained()`. */
  pendingBytes(): number
  /** The session can take more frontend messages after `receive` returned false. */
  readable(): void
  /** Nothing more will be written: the session ended by itself, its last words are in. */
  end(): void
}
