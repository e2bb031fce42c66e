import { expect, test } from 'vitest'
import { migrate } from '../../src/control/migrate.ts'
import { migrateQueue } from '../../src/worker/queue.ts'
import { modestControl } from '../control/fixture.ts'

// In a file of its own: here nobody has made the role postern_service before.
test('an owner who is no superuser will do', async () => {
  const { owner, service } = await modestControl()
  await migrate(owner)
  await migrateQueue(owner)
  const pool = service()
  await pool.query(`select graphile_worker.add_job('x', '{}', job_key := 'once')`)
  await pool.query(`select graphile_worker.add_job('x', '{}', job_key := 'once')`)
  expect((await pool.query('select key from graphile_worker.jobs')).rows).toEqual([{ key: 'once' }])
})
