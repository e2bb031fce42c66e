import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { migrate, pendingMigrations, readMigrations } from '../../src/control/migrate.ts'
import { controlPool, emptyControl, freshControl } from './fixture.ts'

async function copyOfMigrations(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-migrations-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await cp(join(import.meta.dirname, '../../sql/control'), folder, { recursive: true })
  return folder
}

test('eight instances that start at once apply every migration once between them', async () => {
  const database = await emptyControl()
  const pools = Array.from({ length: 8 }, () => controlPool(database, 'owner', 2))
  const applied = await Promise.all(pools.map(pool => migrate(pool)))
  const names = (await readMigrations()).map(migration => migration.name)
  expect(applied.flat().sort()).toEqual(names)
  const stored = await pools[0]!.query('select name from postern.migration order by id')
  expect(stored.rows.map(row => row.name)).toEqual(names)
})

test('what is applied is not applied again, and the service role may find that out', async () => {
  const { owner, service } = await freshControl()
  expect(await migrate(owner)).toEqual([])
  expect(await migrate(service)).toEqual([])
  expect(await pendingMigrations(service)).toEqual([])
})

test('an empty database has everything pending', async () => {
  const pool = controlPool(await emptyControl(), 'owner')
  expect(await pendingMigrations(pool)).toEqual((await readMigrations()).map(migration => migration.name))
})

test('an applied file that changed since is refused by name, other line ends are not', async () => {
  const { owner } = await freshControl()
  const folder = await copyOfMigrations()
  const [first] = await readMigrations(folder)
  await writeFile(join(folder, first!.name), first!.text.replaceAll('\n', '\r\n'))
  expect(await migrate(owner, folder)).toEqual([])
  await writeFile(join(folder, first!.name), `${first!.text}\nselect 1;`)
  await expect(migrate(owner, folder)).rejects.toMatchObject({
    code: '55000',
    message: expect.stringContaining(first!.name),
  })
})

test('a database that is newer than the program is refused', async () => {
  const { owner } = await freshControl()
  const folder = await copyOfMigrations()
  await writeFile(join(folder, '000900-later.sql'), 'create table postern.later ()')
  expect(await migrate(owner, folder)).toEqual(['000900-later.sql'])
  await expect(migrate(owner)).rejects.toMatchObject({ code: '55000', hint: expect.stringContaining('newer version') })
})

test('a migration that fails leaves nothing behind, and the ones before it stand', async () => {
  const { owner } = await freshControl()
  const folder = await copyOfMigrations()
  await writeFile(join(folder, '000901-good.sql'), 'create table postern.good ()')
  await writeFile(join(folder, '000902-bad.sql'), 'create table postern.half (); select 1/0')
  await expect(migrate(owner, folder)).rejects.toMatchObject({ code: '22012' })
  const tables = await owner.query(
    `select to_regclass('postern.good') is not null as good, to_regclass('postern.half') as half`,
  )
  expect(tables.rows[0]).toEqual({ good: true, half: null })
  expect(await pendingMigrations(owner, folder)).toEqual(['000902-bad.sql'])
})

test('a file out of pattern is refused', async () => {
  const folder = await copyOfMigrations()
  await writeFile(join(folder, '4-four.sql'), '')
  await expect(readMigrations(folder)).rejects.toMatchObject({ code: 'F0000' })
})
