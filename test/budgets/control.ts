/** A control database for these tests, as the service and as its owner have it. */
import pg from 'pg'
import { afterAll } from 'vitest'
import { migrate } from '../../src/control/migrate.ts'
import { openControlPool } from '../../src/control/pool.ts'
import { freshDatabase, testCluster } from '../support/cluster.ts'

const closers: (() => Promise<void>)[] = []

export async function countingControl(): Promise<{ owner: pg.Pool; service: pg.Pool }> {
  const database = await freshDatabase()
  const owner = openControlPool({ connection: database.url, as: 'owner' })
  await migrate(owner)
  const service = openControlPool({ connection: database.url, as: 'service' })
  closers.push(async () => {
    await Promise.all([owner.end(), service.end()])
    await database.drop()
  })
  return { owner, service }
}

afterAll(async () => {
  if (closers.length === 0) return
  for (const close of closers) await close()
  const client = new pg.Client({ connectionString: (await testCluster()).url })
  await client.connect()
  await client.query('drop role if exists postern_service').finally(() => client.end())
})
