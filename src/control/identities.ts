/** Whom another party's tokens mean: its issuer and subject → a principal of ours. */
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { duplicate, missing } from './names.ts'
import { findTenant } from './tenants.ts'
import { findUser, type MembershipRole, type UserRow } from './users.ts'

export interface IdentityRow {
  readonly id: string
  readonly principalId: string
  readonly issuer: string
  readonly subject: string
}

interface Subject {
  readonly issuer: string
  readonly subject: string
}

const columns = `i.id, i.principal_id as "principalId", i.issuer, i.subject`

export async function findIdentity(db: Pool | ClientBase, subject: Subject): Promise<IdentityRow | undefined> {
  const found = await db.query<IdentityRow>({
    name: 'postern find identity',
    text: `select ${columns} from postern.identity i where i.issuer = $1 and i.subject = $2`,
    values: [subject.issuer, subject.subject],
  })
  return found.rows[0]
}

/** Those of one principal. */
export async function listIdentities(pool: Pool, principalId: string): Promise<readonly IdentityRow[]> {
  const listed = await pool.query<IdentityRow>(
    `select ${columns} from postern.identity i where i.principal_id = $1 order by i.issuer, i.subject`,
    [principalId],
  )
  return listed.rows
}

/** By an operator, who knows. @throws SqlError 42704; 42710 where it is another's */
export function linkIdentity(
  administration: Administration,
  user: { readonly tenant: string; readonly login: string },
  subject: Subject,
): Promise<IdentityRow> {
  return administer(administration, async client => {
    const row = await findUser(client, user)
    const identity = await insertIdentity(client, row.principalId, subject)
    if (identity.principalId !== row.principalId)
      throw new SqlError({
        code: '42710',
        message: `subject "${subject.subject}" of ${subject.issuer} is another user's`,
      })
    return [identity, about(row, 'user link', subject)]
  })
}

/** What was opened with its tokens ends. @throws SqlError 42704 */
export function unlinkIdentity(
  administration: Administration,
  user: { readonly tenant: string; readonly login: string },
  subject: Subject,
): Promise<IdentityRow> {
  return administer(administration, async client => {
    const row = await findUser(client, user)
    const removed = await client.query<IdentityRow>(
      `delete from postern.identity i where i.principal_id = $1 and i.issuer = $2 and i.subject = $3 returning ${columns}`,
      [row.principalId, subject.issuer, subject.subject],
    )
    if (removed.rows[0] === undefined) throw missing(`identity of ${subject.issuer}`, subject.subject)
    return [removed.rows[0], about(row, 'user unlink', subject)]
  })
}

/**
 * At the first login: whoever has this mail address, which the issuer has verified. Undefined: nobody has.
 * `email` is in lower case.
 */
export async function linkByEmail(
  administration: Administration,
  subject: Subject,
  email: string,
): Promise<IdentityRow | undefined> {
  if ((await findByEmail(administration.pool, email)) === undefined) return undefined
  return administer(administration, async client => {
    const principalId = await findByEmail(client, email)
    if (principalId === undefined) throw missing('user', email)
    const identity = await insertIdentity(client, principalId, subject)
    return [identity, { act: 'identity link', detail: { ...subject, principalId, email } }]
  })
}

/**
 * At the first login of somebody nobody knows: a principal with this mail address, his membership, and whom the issuer
 * calls so. @throws SqlError 42704 for the tenant, 42710 where the address is a login of the tenant already
 */
export function signUp(
  administration: Administration,
  subject: Subject,
  user: { readonly email: string; readonly tenant: string; readonly role: MembershipRole },
): Promise<IdentityRow> {
  return administer(administration, async client => {
    // Somebody with the same token was faster.
    const there = await findIdentity(client, subject)
    const tenant = await findTenant(client, user.tenant)
    const act = { act: 'sign up', tenant: tenant.name, tenantId: tenant.id, detail: { ...subject, ...user } }
    if (there !== undefined) return [there, { ...act, act: 'identity found' }]
    if ((await findByEmail(client, user.email)) !== undefined) throw duplicate('user with address', user.email)
    const principalId = makeId()
    await client.query('insert into postern.principal (id, name, email) values ($1, $2, $2)', [principalId, user.email])
    const added = await client.query(
      `insert into postern.membership (id, tenant_id, principal_id, login, role) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, login) do nothing`,
      [makeId(), tenant.id, principalId, user.email, user.role],
    )
    if (added.rowCount === 0)
      throw new SqlError({ code: '42710', message: `user "${user.email}@${tenant.name}" exists and was not linked` })
    return [await insertIdentity(client, principalId, subject), act]
  })
}

async function findByEmail(db: Pool | ClientBase, email: string): Promise<string | undefined> {
  const found = await db.query<{ id: string }>('select p.id from postern.principal p where lower(p.email) = $1', [
    email,
  ])
  return found.rows[0]?.id
}

/** The one that is there already, where there is one. */
async function insertIdentity(client: ClientBase, principalId: string, subject: Subject): Promise<IdentityRow> {
  await client.query(
    `insert into postern.identity (id, principal_id, issuer, subject) values ($1, $2, $3, $4)
     on conflict (issuer, subject) do nothing`,
    [makeId(), principalId, subject.issuer, subject.subject],
  )
  const there = await findIdentity(client, subject)
  if (there === undefined) throw missing('identity', subject.subject)
  return there
}

function about(row: UserRow, act: string, subject: Subject) {
  const detail = { user: row.login, principalId: row.principalId, ...subject }
  return { act, tenant: row.tenantName, tenantId: row.tenantId, detail }
}
