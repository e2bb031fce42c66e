import type pg from 'pg'

declare module 'pg' {
  interface Client {
    /** On a connection of its own, not used before. */
    cancel(client: pg.Client, query: pg.Query): void
  }
}
