import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Administration } from '../../src/control/administration.ts'
import { countSealed, resealAll } from '../../src/control/sealed.ts'
import { addServer, listServers, openProvisioner } from '../../src/control/servers.ts'
import { addUserToken } from '../../src/control/user-tokens.ts'
import { beginRotation, checkConfiguredRotation, forgetPreviousKey, openKeyRing } from '../../src/identity/key-ring.ts'
import { OwnTokens, signUserToken } from '../../src/identity/own-tokens.ts'
import { createSealer, type KeyRing } from '../../src/identity/sealing.ts'
import { auditRows, type ControlFixture } from '../control/fixture.ts'
import { peopledControl } from './fixture.ts'

let control: ControlFixture
let folder: string

const inFiles = { masterKey: null, previous: null }
const open = () => openKeyRing(folder, inFiles)

/** What was sealed while the users were added (the audit's key) opens by the first file's key. */
beforeEach(async () => {
  control = await peopledControl()
  folder = mkdtempSync(join(tmpdir(), 'postern-keys-'))
  writeFileSync(join(folder, 'master.key'), Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 })
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const administrationOf = (sealer: KeyRing): Administration => ({
  ...control.administration,
  pool: control.owner,
  sealer,
})

/** A server's password and a signing key, sealed by `ring`. */
async function sealSome(ring: KeyRing): Promise<void> {
  const administration = administrationOf(ring)
  const provisioner = { login: 'postgres', password: 'the provisioner password' }
  await addServer(administration, 'main', { host: '127.0.0.1', port: 5432, tlsMode: 'disable', provisioner })
  await issue(ring)
}

async function issue(ring: KeyRing): Promise<string> {
  const administration = administrationOf(ring)
  const id = crypto.randomUUID()
  const expiresAt = new Date(Date.now() + 60_000)
  const wanted = { tenant: 'acme', login: 'alice', id, scopes: null, expiresAt }
  const issued = await addUserToken(administration, wanted, (user, client) =>
    signUserToken(client, ring, { ...user, id, expiresAt }),
  )
  return issued.text
}

async function provisionerPassword(ring: KeyRing): Promise<string | undefined> {
  const [server] = await listServers(control.owner)
  return server === undefined ? undefined : openProvisioner(server, ring)?.password
}

test('a rotation seals everything by a new key; tokens stay good, and who runs already can open what is new', async () => {
  const running = await open()
  await sealSome(running)
  const token = await issue(running)
  expect(await countSealed(control.owner)).toEqual([{ keyId: running.keyId, secrets: 3 }])

  const rotation = await beginRotation(folder)
  expect(await resealAll(administrationOf(running), rotation.ring)).toBe(3)
  expect(await provisionerPassword(running)).toBe('the provisioner password')
  await rotation.finish()

  const restarted = await open()
  expect(restarted.keyId).toBe(rotation.ring.keyId)
  expect(await countSealed(control.owner)).toEqual([{ keyId: restarted.keyId, secrets: 3 }])
  expect(await provisionerPassword(restarted)).toBe('the provisioner password')
  const tokens = new OwnTokens({ pool: control.service, clock: Date.now, leaseHeld: async () => false })
  expect((await tokens.prove(token)).member.login).toBe('alice')
  expect((await tokens.prove(await issue(restarted))).member.login).toBe('alice')
  const records = await auditRows(control.owner, 'detail')
  expect(records.map(({ detail }) => detail)).toContainEqual(
    expect.objectContaining({ act: 'keys rotate', to: restarted.keyId, resealed: 3 }),
  )
  expect(statSync(join(folder, 'master.key')).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'master.key.previous')).mode & 0o777).toBe(0o600)
})

test('what a process seals by the old key meanwhile still opens, and is sealed anew before that key is forgotten', async () => {
  const running = await open()
  const rotation = await beginRotation(folder)
  await resealAll(administrationOf(running), rotation.ring)
  await rotation.finish()
  await sealSome(running)
  const restarted = await open()
  expect(await provisionerPassword(restarted)).toBe('the provisioner password')
  expect(await resealAll(administrationOf(restarted), restarted)).toBe(2)
  expect(forgetPreviousKey(folder)).toBe(true)
  expect(forgetPreviousKey(folder)).toBe(false)
  expect(await provisionerPassword(await open())).toBe('the provisioner password')
})

test.each([
  'before anything is sealed anew',
  'after everything is, before the files change',
  'between the two changes of files',
])('interrupted %s, it is taken up again', async when => {
  const before = await open()
  await sealSome(before)
  const first = await beginRotation(folder)
  if (when !== 'before anything is sealed anew') await resealAll(administrationOf(before), first.ring)
  if (when.startsWith('between'))
    writeFileSync(join(folder, 'master.key.previous'), readFileSync(join(folder, 'master.key')), { mode: 0o600 })
  // killed; somebody starts meanwhile, and then it is run again
  expect(await provisionerPassword(await open())).toBe('the provisioner password')
  const second = await beginRotation(folder)
  expect(second.ring.keyId).toBe(first.ring.keyId)
  await resealAll(administrationOf(await open()), second.ring)
  await second.finish()
  expect(existsSync(join(folder, 'master.key.next'))).toBe(false)
  const after = await open()
  expect(await countSealed(control.owner)).toEqual([{ keyId: after.keyId, secrets: 3 }])
  forgetPreviousKey(folder)
  expect(await provisionerPassword(await open())).toBe('the provisioner password')
})

test('one secret that cannot be opened stops it, and everything stays as it was', async () => {
  const ring = await open()
  await sealSome(ring)
  await control.owner.query(`update postern.server set provisioner_password_sealed = $1`, [
    createSealer(new Uint8Array(32).fill(1)).seal('x', 'server/other/provisioner-password'),
  ])
  const before = await control.owner.query('select private_key_sealed from postern.signing_key')
  const { ring: next } = await beginRotation(folder)
  await expect(resealAll(administrationOf(ring), next)).rejects.toMatchObject({ code: 'XX001' })
  expect((await control.owner.query('select private_key_sealed from postern.signing_key')).rows).toEqual(before.rows)
})

test('keys from the settings are rotated by giving both', async () => {
  rmSync(join(folder, 'master.key'))
  const [old, next] = [7, 2].map(fill => Buffer.alloc(32, fill).toString('base64'))
  const before = await openKeyRing(folder, { masterKey: old!, previous: null })
  await sealSome(before)
  const both = await openKeyRing(folder, { masterKey: next!, previous: old! })
  expect(await provisionerPassword(both)).toBe('the provisioner password')
  expect(await resealAll(administrationOf(both), both)).toBe(3)
  expect(await provisionerPassword(await openKeyRing(folder, { masterKey: next!, previous: null }))).toBe(
    'the provisioner password',
  )
  expect(() => checkConfiguredRotation({ masterKey: next!, previous: null })).toThrow(/previous one is not there/)
  expect(existsSync(join(folder, 'master.key'))).toBe(false)
})

test('every column of a sealed secret has the key by which the rotation finds it', async () => {
  const columns = await control.owner.query(
    `select table_name, column_name from information_schema.columns
     where table_schema = 'postern' and column_name like '%\\_sealed' order by 1, 2`,
  )
  const keyed = await control.owner.query(
    `select c.relname from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
     where c.relnamespace = 'postern'::regnamespace and i.indisprimary and i.indnkeyatts = 1`,
  )
  const tables = keyed.rows.map(row => row.relname)
  expect(columns.rows.length).toBeGreaterThanOrEqual(3)
  for (const { table_name } of columns.rows) expect(tables).toContain(table_name)
})
