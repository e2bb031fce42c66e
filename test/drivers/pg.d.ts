import type { Client, Query } from 'pg'

declare module 'pg' {
  interface Client {
    /** On a connection of its own, not used before. */
    cancel(client: Client, query: Query): void
  }
}
