import { beforeAll, expect, test } from 'vitest'
import { makeId } from '../../src/control/ids.ts'
import { addTenant } from '../../src/control/tenants.ts'
import { type ControlFixture, freshControl } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
  await addTenant(control.administration, { name: 'acme' })
})

test('the service adds to the audit log, and neither reads, changes, empties nor drops it', async () => {
  const { owner, service } = control
  const month = (
    await owner.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'postern.audit_log'::regclass`,
    )
  ).rows
  expect(month.length).toBeGreaterThanOrEqual(2)
  for (const table of ['postern.audit_log', ...month.map(row => row.name)]) {
    for (const sql of [
      `select * from ${table}`,
      `update ${table} set kind = 'x'`,
      `delete from ${table}`,
      `truncate ${table}`,
      `drop table ${table}`,
      `alter table ${table} add column x int`,
    ]) {
      await expect(service.query(sql), sql).rejects.toMatchObject({ code: '42501' })
    }
  }
  expect((await owner.query('select from postern.audit_log')).rowCount).toBe(1)
})

test('the service changes neither the schema nor what was migrated, and makes no partitions beyond a year at once', async () => {
  const { service } = control
  for (const sql of [
    'create table postern.x ()',
    `update postern.migration set hash = ''`,
    'delete from postern.config_version',
    'create role x',
  ]) {
    await expect(service.query(sql), sql).rejects.toMatchObject({ code: '42501' })
  }
  const years = service.query(`select postern.prepare_audit_log('2000-01-01', '2030-01-01')`)
  await expect(years).rejects.toMatchObject({ code: '22023' })
})

test('ids are UUIDs of version 7, in order of time', () => {
  const ids = [1, 2 ** 40, 2 ** 47].map(ms => makeId(ms, new Uint8Array(10).fill(255)))
  expect(ids[0]).toBe('00000000-0001-7fff-bfff-ffffffffffff')
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(Array.from({ length: 1000 }, () => makeId())).size).toBe(1000)
})
