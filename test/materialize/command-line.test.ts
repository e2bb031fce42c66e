import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrateQueue } from '../../src/worker/queue.ts'
import { runPostern, startPostern } from '../cli/postern.ts'
import { type Stand, stand } from './stand.ts'

let acme: Stand
let cwd: string
let env: Record<string, string>
beforeAll(async () => {
  acme = await stand()
  await migrateQueue(acme.control.owner)
  cwd = mkdtempSync(join(tmpdir(), 'postern-schema-'))
  env = {
    POSTERN_CONTROL_URL: acme.control.database.url,
    // The stand's own key.
    POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  }
})
afterAll(async () => {
  await acme.stop()
  rmSync(cwd, { recursive: true })
})

const postern = (...args: string[]) => runPostern(args, { cwd, env })

async function provision(purpose: string): Promise<string> {
  const { code, out, err } = await postern('schema', 'provision', purpose, '--user', 'alice@acme', '--json')
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out).name
}

test('an operator makes a schema, sees it, pins it, and drops it only when he types its name', async () => {
  const name = await provision('by hand')
  expect((await postern('schema', 'list', '--tenant', 'acme')).out).toContain(`${name}  crm       alice@acme  by hand`)
  const pinned = await postern('schema', 'pin', name, '--tenant', 'acme', '--json')
  expect(JSON.parse(pinned.out)).toMatchObject({ pinned: true, expiresAt: null })
  const loose = await postern('schema', 'pin', name, '--off', '--tenant', 'acme', '--json')
  expect(JSON.parse(loose.out).expiresAt).not.toBeNull()
  expect((await postern('schema', 'touch', name, '--tenant', 'acme')).code).toBe(0)
  expect((await postern('schema', 'touch', name, '--tenant', 'globex')).err).toContain('(3F000)')
  await acme.asOwner(acme.alice, `create table ${name}.t (n int)`)
  const preview = await postern('schema', 'teardown', name, '--tenant', 'acme')
  expect(preview.code).toBe(1)
  expect(preview.out).toMatch(/^t +table/m)
  expect(preview.err).toContain(`--drop ${name}`)
  expect((await postern('schema', 'teardown', name, '--tenant', 'acme', '--drop', 'other')).code).toBe(1)
  expect((await postern('schema', 'teardown', name, '--tenant', 'acme', '--drop', name)).out).toContain('dropped')
  expect((await postern('schema', 'teardown', 'crm', '--tenant', 'acme')).err).toContain('(42501)')
  expect((await postern('schema', 'sweep')).out).toBe('all is as it should be\n')
})

test('a process that is killed while it drops a schema is made up for', async () => {
  const name = await provision('killed')
  await acme.asOwner(acme.alice, `create table ${name}.t (n int)`)
  const url = new URL(acme.control.database.url)
  url.pathname = `/${acme.database(acme.alice).name}`
  const reader = new pg.Client({ connectionString: url.href })
  await reader.connect()
  await reader.query(`begin; select from ${name}.t`)
  const child = startPostern(['schema', 'teardown', name, '--tenant', 'acme', '--drop', name], { cwd, env })
  const ended = new Promise(resolve => child.on('close', resolve))
  const waiting = `select from pg_catalog.pg_locks where locktype = 'relation' and not granted`
  while ((await reader.query(waiting)).rowCount === 0) expect(child.exitCode).toBeNull()
  child.kill('SIGKILL')
  await ended
  const found = await acme.schemas.list(acme.alice)
  expect(found).toMatchObject([{ name, state: 'teardown' }])
  await reader.query('commit')
  await reader.end()
  const swept = await postern('schema', 'sweep', '--json')
  expect(JSON.parse(swept.out)).toEqual([
    { kind: 'interrupted', database: 'acme/crm', schema: name, mended: true, detail: 'teardown' },
  ])
  expect(await acme.schemas.list(acme.alice)).toEqual([])
})

test('a worker of its own works until it is told to stop', async () => {
  const { schema } = await acme.schemas.provision(acme.alice, acme.database(acme.alice), { purpose: 'unused' })
  const { owner, service } = acme.control
  await owner.query(`update postern.tenant_schema set last_accessed_at = now() - interval '2 days'`)
  const child = startPostern(['worker'], { cwd, env })
  const ended = new Promise(resolve => child.on('close', resolve))
  await service.query(`select graphile_worker.add_job('expire-schemas', '{}')`)
  const state = () => owner.query('select state from postern.tenant_schema where id = $1', [schema.id])
  while ((await state()).rows[0].state !== 'expired') expect(child.exitCode).toBeNull()
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect((await service.query('select from graphile_worker.jobs')).rowCount).toBe(0)
})
