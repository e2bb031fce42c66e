import { beforeAll, expect, test } from 'vitest'
import { findMember, readMembers } from '../../src/control/members.ts'
import { addTenant, setTenantDisabled } from '../../src/control/tenants.ts'
import {
  addUser,
  findUser,
  listUsers,
  removeUser,
  setPassword,
  setUserDisabled,
  setUserRole,
} from '../../src/control/users.ts'
import { auditRows, type ControlFixture, freshControl } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
  for (const name of ['acme', 'globex']) await addTenant(control.administration, { name })
})

test('a user is a principal with a membership and a verifier; his login is his within the tenant', async () => {
  const { administration, service } = control
  const alice = await addUser(administration, { tenant: 'acme', login: 'alice', role: 'analyst', verifier: 'SCRAM-1' })
  expect(alice).toMatchObject({
    tenantName: 'acme',
    login: 'alice',
    role: 'analyst',
    kind: 'person',
    hasPassword: true,
    disabledAt: null,
  })
  await expect(
    addUser(administration, { tenant: 'acme', login: 'alice', role: 'viewer', verifier: null }),
  ).rejects.toMatchObject({ code: '42710' })
  const other = await addUser(administration, {
    tenant: 'globex',
    login: 'alice',
    role: 'viewer',
    verifier: null,
    kind: 'service',
  })
  expect(other).toMatchObject({ kind: 'service', hasPassword: false })
  expect(other.principalId).not.toBe(alice.principalId)
  expect((await listUsers(service)).map(user => `${user.login}@${user.tenantName}`)).toEqual([
    'alice@acme',
    'alice@globex',
  ])
  expect((await listUsers(service, 'acme')).length).toBe(1)
  expect((await service.query(`select from postern.principal`)).rowCount).toBe(2)
})

test('a mail address is a login; white space, quotes and loose @ are not', async () => {
  const { administration } = control
  await addUser(administration, { tenant: 'acme', login: 'bob@example.com', role: 'viewer', verifier: 'SCRAM-2' })
  expect(await findMember(control.service, 'bob@example.com', 'acme')).toMatchObject({ login: 'bob@example.com' })
  for (const login of ['', 'a b', `o'neil`, '@a', 'a@', 'a\\b', 'a\u0000', 'a'.repeat(129)]) {
    await expect(
      addUser(administration, { tenant: 'acme', login, role: 'viewer', verifier: null }),
    ).rejects.toMatchObject({ code: '42602' })
  }
})

test('password, role, shutting and removing each change what a login finds, and are recorded without the verifier', async () => {
  const { administration, owner, service } = control
  const carol = { tenant: 'acme', login: 'carol' }
  const { principalId } = await addUser(administration, { ...carol, role: 'viewer', verifier: null })
  expect(await findMember(service, 'carol', 'acme')).toBeUndefined()
  await setPassword(administration, { ...carol, verifier: 'SCRAM-3' })
  await setPassword(administration, { ...carol, verifier: 'SCRAM-4' })
  expect(await findMember(service, 'carol', 'acme')).toMatchObject({ verifier: 'SCRAM-4', role: 'viewer' })
  await setUserRole(administration, { ...carol, role: 'admin' })
  expect(await readMembers(service, [principalId])).toMatchObject([
    { login: 'carol', role: 'admin', tenantName: 'acme' },
  ])
  await setUserDisabled(administration, carol, true)
  expect(await findMember(service, 'carol', 'acme')).toBeUndefined()
  expect(await readMembers(service, [principalId])).toEqual([])
  await setUserDisabled(administration, carol, false)
  await setTenantDisabled(administration, 'acme', true)
  expect(await findMember(service, 'carol', 'acme')).toBeUndefined()
  await setTenantDisabled(administration, 'acme', false)
  await removeUser(administration, carol)
  await expect(findUser(service, carol)).rejects.toMatchObject({ code: '42704' })
  const acts = await auditRows(owner, `detail->>'act' as act, detail::text as detail`)
  const mine = acts.filter(row => String(row.detail).includes('carol'))
  expect(mine.map(row => row.act)).toEqual([
    'user add',
    'user password',
    'user password',
    'user role',
    'user disable',
    'user enable',
    'user remove',
  ])
  expect(JSON.stringify(acts)).not.toContain('SCRAM')
})

test('the tenant may be left out only where there is but one', async () => {
  const alone = await freshControl()
  await addTenant(alone.administration, { name: 'only' })
  await addUser(alone.administration, { tenant: 'only', login: 'dan', role: 'viewer', verifier: 'SCRAM-5' })
  expect(await findMember(alone.service, 'dan', null)).toMatchObject({ tenantName: 'only' })
  await addTenant(alone.administration, { name: 'second' })
  expect(await findMember(alone.service, 'dan', null)).toBeUndefined()
})
