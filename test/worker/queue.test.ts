import { expect, test } from 'vitest'
import { migrateQueue } from '../../src/worker/queue.ts'
import { freshControl } from '../control/fixture.ts'

test('the queue is made by its owner, by several at once, and used by the service alone', async () => {
  const { owner, service } = await freshControl()
  await Promise.all([migrateQueue(owner), migrateQueue(owner), migrateQueue(owner)])
  await migrateQueue(owner)
  const added = await service.query(`select (graphile_worker.add_job('x', '{"a": 1}')).id as id`)
  expect(added.rows).toHaveLength(1)
  expect((await service.query('select task_identifier from graphile_worker.jobs')).rows).toEqual([
    { task_identifier: 'x' },
  ])
  for (const sql of [
    'create table graphile_worker.mine ()',
    'drop table graphile_worker._private_jobs',
    'truncate graphile_worker._private_jobs',
    'delete from graphile_worker.migrations',
    'alter table graphile_worker._private_jobs disable row level security',
  ]) {
    await expect(service.query(sql), sql).rejects.toMatchObject({ code: '42501' })
  }
})
