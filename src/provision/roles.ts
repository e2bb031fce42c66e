/** The four roles of a tenant database: made, granted to one another, and asserted to be no more than that. */
import { SqlError } from '../errors.ts'
import { inTransaction, type Query } from './administrator.ts'
import type { DatabaseRoles } from './names.ts'
import { quoteName } from './quote.ts'

/** Whom a connection belongs to and what it talks to. */
export interface Server {
  /** 14 … 18, or newer. */
  readonly major: number
  /** The administrator's own role. */
  readonly me: string
  readonly superuser: boolean
}

export async function readServer(query: Query): Promise<Server> {
  const [row] = await query(
    `select current_setting('server_version_num')::int / 10000, r.rolname, r.rolsuper
       from pg_catalog.pg_roles r where r.rolname = session_user`,
  )
  const [major, me, superuser] = row ?? []
  if (!major || !me) throw new SqlError({ code: '28000', message: "the administrator's own role could not be read" })
  return { major: Number(major), me, superuser: superuser === 't' }
}

/**
 * Makes the roles that are missing, in one transaction, and asserts the attributes and memberships of all: only at
 * CREATE ROLE may an administrator who is no superuser decide on SUPERUSER and its kin. Throws 42501 naming what is wrong.
 */
export async function makeRoles(query: Query, server: Server, roles: DatabaseRoles): Promise<void> {
  await inTransaction(query, async () => {
    for (const role of [roles.owner, roles.live, roles.reader]) await createRole(query, role, 'nologin')
    await createRole(query, roles.gate, 'login noinherit')
    await removeAttributes(query, roles)
    await revokeStrangeMemberships(query, server, roles)
    await grantMemberships(query, server, roles)
    const faults = await roleFaults(query, server, roles)
    if (faults.length === 0) return
    throw new SqlError({
      code: '42501',
      message: `the database's roles are not as they must be: ${faults.join('; ')}`,
      hint: 'Another administrator made or changed them: let him or a superuser drop them, then provision again.',
    })
  })
}

/** Runs one statement; false, with the transaction intact, where the administrator may not (42501). */
export async function attempt(query: Query, sql: string): Promise<boolean> {
  await query('savepoint attempt')
  try {
    await query(sql)
    return true
  } catch (error) {
    if (!(error instanceof SqlError) || error.code !== '42501') throw error
    await query('rollback to savepoint attempt')
    return false
  } finally {
    await query('release savepoint attempt').catch(ignoreAborted)
  }
}

/** After an error that is thrown on, the transaction is aborted and has no savepoint to release. */
function ignoreAborted(): void {}

async function createRole(query: Query, role: string, attributes: string): Promise<void> {
  const found = await query('select 1 from pg_catalog.pg_roles where rolname = $1', [role])
  if (found.length === 0) await query(`create role ${quoteName(role)} ${attributes}`)
}

/** Membership of the creator himself is what CREATE ROLE leaves behind from 16 on. */
async function grantMemberships(query: Query, server: Server, roles: DatabaseRoles): Promise<void> {
  const [owner, reader, gate, me] = [roles.owner, roles.reader, roles.gate, server.me].map(quoteName)
  const options = server.major >= 16
  await query(`grant ${owner} to ${me}${options ? ' with inherit true, set true' : ''}`)
  await query(`grant ${reader} to ${gate}${options ? ' with admin false, inherit false, set true' : ''}`)
}

/** A superuser mends any attribute, others what their major lets them; roleFaults tells what is left. */
async function removeAttributes(query: Query, roles: DatabaseRoles): Promise<void> {
  const surplus = await query(
    `select r.rolname, a.name from pg_catalog.pg_roles r,
       lateral (values ('superuser', r.rolsuper), ('createdb', r.rolcreatedb), ('createrole', r.rolcreaterole),
         ('replication', r.rolreplication), ('bypassrls', r.rolbypassrls),
         ('login', r.rolcanlogin and r.rolname <> $2), ('inherit', r.rolinherit and r.rolname = $2)) a(name, has)
      where r.rolname = any ($1) and a.has`,
    [[roles.owner, roles.live, roles.reader, roles.gate], roles.gate],
  )
  for (const [role, attribute] of surplus) await attempt(query, `alter role ${quoteName(role ?? '')} no${attribute}`)
}

/** Whatever our roles are members of, and whoever else can become the owner, the reader or the gate. */
async function revokeStrangeMemberships(query: Query, server: Server, roles: DatabaseRoles): Promise<void> {
  const [usable, inherits] = membershipOptions(server)
  const strange = await query(
    `select r.rolname, m.rolname, g.rolname
       from pg_catalog.pg_auth_members a
       join pg_catalog.pg_roles r on r.oid = a.roleid
       join pg_catalog.pg_roles m on m.oid = a.member
       left join pg_catalog.pg_roles g on g.oid = a.grantor
      where (m.rolname = any ($1) and not (r.rolname = $2 and m.rolname = $3 and not a.admin_option and not ${inherits}))
         or (r.rolname in ($2, $3, $4) and m.rolname <> $3 and m.rolname <> session_user and ${usable})`,
    [[roles.owner, roles.live, roles.reader, roles.gate], roles.reader, roles.gate, roles.owner],
  )
  for (const [role, member, grantor] of strange) {
    const by = server.major >= 16 && grantor ? ` granted by ${quoteName(grantor)}` : ''
    await attempt(query, `revoke ${quoteName(role ?? '')} from ${quoteName(member ?? '')}${by}`)
  }
}

/** SQL over pg_auth_members a: can the member use it at all, and does it inherit. Options of their own from 16 on. */
function membershipOptions(server: Server): [usable: string, inherits: string] {
  return server.major >= 16 ? ['(a.inherit_option or a.set_option)', 'a.inherit_option'] : ['true', 'false']
}

/** What is wrong with the roles, in words; empty when all is well. */
export async function roleFaults(query: Query, server: Server, roles: DatabaseRoles): Promise<string[]> {
  const all = [roles.owner, roles.live, roles.reader, roles.gate]
  const attributes = await query(
    `select w.name || case
         when r.oid is null then ' is missing'
         when r.rolsuper then ' is a superuser'
         when r.rolbypassrls then ' bypasses row security'
         when r.rolcreaterole then ' may create roles'
         when r.rolcreatedb then ' may create databases'
         when r.rolreplication then ' may replicate'
         when r.rolcanlogin <> (w.name = $2) then ' has the wrong LOGIN attribute'
         when r.rolinherit and w.name = $2 then ' inherits'
       end
       from unnest($1::text[]) w(name) left join pg_catalog.pg_roles r on r.rolname = w.name
      where r.oid is null or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
         or r.rolcanlogin <> (w.name = $2) or (r.rolinherit and w.name = $2)`,
    [all, roles.gate],
  )
  const [usable, inherits] = membershipOptions(server)
  const memberships = await query(
    `select m.rolname || ' is a member of ' || r.rolname
       from pg_catalog.pg_auth_members a
       join pg_catalog.pg_roles r on r.oid = a.roleid
       join pg_catalog.pg_roles m on m.oid = a.member
      where (m.rolname = any ($1) and not (m.rolname = $3 and r.rolname = $2 and not a.admin_option and not ${inherits}))
         or (r.rolname in ($2, $3, $4) and m.rolname <> $3 and m.rolname <> session_user and ${usable})`,
    [all, roles.reader, roles.gate, roles.owner],
  )
  return [...attributes, ...memberships].map(([fault]) => fault ?? '')
}
