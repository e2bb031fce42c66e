import { expect, test } from 'vitest'
import { migrate } from '../../src/control/migrate.ts'
import { modestControl } from './fixture.ts'

// In a file of its own: here nobody has made the role postern_service before.
test('an owner who is no superuser will do, and his login serves as postern_service', async () => {
  const { owner, service } = await modestControl()
  await migrate(owner)
  const pool = service()
  expect((await pool.query('select current_user::text as who')).rows).toEqual([{ who: 'postern_service' }])
  await expect(pool.query('delete from postern.audit_log')).rejects.toMatchObject({ code: '42501' })
  const made = await pool.query(`select postern.prepare_audit_log('2040-01-01', '2040-02-01') as made`)
  expect(made.rows).toEqual([{ made: 2 }])
})
