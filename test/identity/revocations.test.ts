/** Whatever door something was opened by: it ends with the access of who opened it, and with his alone. */
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { addApiKey, revokeApiKey } from '../../src/control/api-keys.ts'
import { setUserDisabled } from '../../src/control/users.ts'
import type { SqlError } from '../../src/errors.ts'
import { makeApiKey } from '../../src/identity/api-keys.ts'
import type { Present, Principal } from '../../src/identity/principal.ts'
import { type RevocableDoor, Revocations } from '../../src/serve/revocations.ts'
import type { ControlFixture } from '../control/fixture.ts'
import { asked, authenticatorOf, peopledControl } from './fixture.ts'

let control: ControlFixture

class FakeDoor implements RevocableDoor {
  readonly open: Present[] = []
  readonly words: string[] = []

  sessions(): readonly Present[] {
    return this.open
  }

  end(matches: (about: Present) => boolean, error: SqlError): void {
    for (const about of [...this.open]) {
      if (!matches(about)) continue
      this.open.splice(this.open.indexOf(about), 1)
      this.words.push(`${error.code} ${error.message}`)
    }
  }
}

let agents: FakeDoor
let jobs: FakeDoor
let revocations: Revocations

const alice = { tenant: 'acme', login: 'alice' }
const presenceOf = ({ id, tenant, credential }: Principal): Present => ({
  principalId: id,
  tenantId: tenant,
  credential,
})

async function withKey(user: typeof alice): Promise<{ id: string; principal: Principal }> {
  const { id, hash, text } = makeApiKey()
  await addApiKey(control.administration, { ...user, id, hash, scopes: null, expiresAt: null })
  return { id, principal: await authenticatorOf(control, []).authenticator.authenticate(text, asked) }
}

beforeAll(async () => {
  control = await peopledControl()
})

beforeEach(() => {
  agents = new FakeDoor()
  jobs = new FakeDoor()
  revocations = new Revocations(control.service)
  for (const door of [agents, jobs]) revocations.watch(door)
})

test('a revoked key ends what is open with it behind every door, and nothing else of its owner', async () => {
  const [one, other] = [await withKey(alice), await withKey(alice)]
  const byPassword = { ...presenceOf(one.principal), credential: null }
  agents.open.push(presenceOf(one.principal), presenceOf(one.principal), presenceOf(other.principal))
  jobs.open.push(presenceOf(one.principal), byPassword)
  await revocations.review()
  expect([agents.open.length, jobs.open.length]).toEqual([3, 2])
  await revokeApiKey(control.administration, one.id)
  await revocations.review()
  expect(agents.open).toEqual([presenceOf(other.principal)])
  expect(jobs.open).toEqual([byPassword])
  expect(new Set([...agents.words, ...jobs.words])).toEqual(
    new Set(['57P01 terminating connection: your access was withdrawn']),
  )
})

test('a user who is disabled loses all of it; others stay', async () => {
  const [mine, bobs] = [await withKey(alice), await withKey({ tenant: 'acme', login: 'bob' })]
  agents.open.push(presenceOf(mine.principal), presenceOf(bobs.principal))
  jobs.open.push({ ...presenceOf(mine.principal), credential: null })
  await setUserDisabled(control.administration, alice, true)
  await revocations.review()
  expect(agents.open).toEqual([presenceOf(bobs.principal)])
  expect(jobs.open).toEqual([])
  await setUserDisabled(control.administration, alice, false)
})

test('what was withdrawn while it was being opened does not open', async () => {
  const { id, principal } = await withKey(alice)
  const { principal: other } = await withKey(alice)
  for (const one of [principal, other]) revocations.note(one)
  await revokeApiKey(control.administration, id)
  await revocations.review()
  const served = { alias: 'crm' } as never
  expect(() => revocations.opened(principal, 1, served)).toThrow('your access was withdrawn')
  expect(() => revocations.opened(other, 2, served)).not.toThrow()
})

test('where the control database cannot be asked nobody is let off: the review fails, and is made again', async () => {
  const { id, principal } = await withKey(alice)
  agents.open.push(presenceOf(principal))
  await revokeApiKey(control.administration, id)
  const broken = new Revocations({ query: () => Promise.reject(new Error('away')) } as never)
  broken.watch(agents)
  await expect(broken.review()).rejects.toThrow('away')
  await revocations.review()
  expect(agents.open).toEqual([])
})

test('what its issuer has called back ends without any change here', async () => {
  const { principal } = await withKey(alice)
  agents.open.push(presenceOf(principal), { ...presenceOf(principal), credential: null })
  const calledBack = { findCalledBack: async (open: () => readonly Present[]) => open().slice(0, 1) }
  const asking = new Revocations(control.service, calledBack)
  asking.watch(agents)
  await asking.recheck()
  asking.close()
  expect(agents.open).toEqual([{ ...presenceOf(principal), credential: null }])
})
