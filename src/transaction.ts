import type { ClientBase, Pool } from 'pg'

/** Runs `work` in a transaction on a connection of its own: committed where it resolves, rolled back where it throws. */
export async function inTransaction<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let failure: Error | undefined
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch((cause: Error) => {
      failure = cause
    })
    throw error
  } finally {
    // A connection that could not roll back is not lent again.
    client.release(failure)
  }
}
