/** Fresh servers of every supported major for the generators, with nothing in them but what initdb made. */
import pg from 'pg'
import { startCluster } from '../src/embedded/cluster.ts'

export const majors = [14, 15, 16, 17, 18] as const

export type Query = (sql: string) => Promise<Record<string, unknown>[]>

export async function withServer<T>(major: (typeof majors)[number], read: (query: Query) => Promise<T>): Promise<T> {
  const cluster = await startCluster({ major })
  const client = new pg.Client({ connectionString: cluster.url })
  try {
    await client.connect()
    return await read(async sql => (await client.query<Record<string, unknown>>(sql)).rows)
  } finally {
    await client.end()
    await cluster.stop()
  }
}
