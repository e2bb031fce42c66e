/** In whose name `check` and `query` speak, and to which database. */
import type { Command } from 'commander'
import type { Pool } from 'pg'
import { type DatabaseRow, listDatabases } from '../control/database-rows.ts'
import { readMembers } from '../control/members.ts'
import { findTenant } from '../control/tenants.ts'
import { listUsers } from '../control/users.ts'
import { SqlError } from '../errors.ts'
import { type Principal, principalOf } from '../identity/principal.ts'
import { parseLogin } from './administer.ts'

export interface CallerOptions {
  readonly tenant?: string
  readonly database?: string
  readonly user?: string
}

export interface Caller {
  readonly principal: Principal
  readonly row: DatabaseRow
}

export function withCaller(command: Command): Command {
  return command
    .argument('<sql>')
    .option('--tenant <name>', 'whose data is meant')
    .option('--database <alias>', "which of the tenant's databases; may be left out where there is one")
    .option('--user <login@tenant>', 'in whose name; may be left out where the tenant has one user')
}

/** @throws SqlError 22023 where it is not clear who or which is meant, 42704 */
export async function findCaller(pool: Pool, options: CallerOptions): Promise<Caller> {
  const named = options.user === undefined ? undefined : parseLogin(options.user)
  const tenant = options.tenant ?? named?.tenant
  if (tenant === undefined) throw unclear('whose data is meant?', 'Say --tenant <name> or --user <login>@<tenant>.')
  if (named !== undefined && named.tenant !== tenant)
    throw unclear(`${options.user} is not of tenant "${tenant}"`, 'Leave one of the two out.')
  await findTenant(pool, tenant)
  const row = chooseDatabase(tenant, await listDatabases(pool, tenant), options.database)
  return { principal: await choosePrincipal(pool, tenant, named?.login), row }
}

function chooseDatabase(tenant: string, rows: readonly DatabaseRow[], wanted: string | undefined): DatabaseRow {
  const fitting = wanted === undefined ? rows : rows.filter(row => row.alias === wanted || row.dbname === wanted)
  const [only, second] = fitting
  if (only !== undefined && second === undefined) return only
  const there =
    rows.length === 0 ? 'It has none yet.' : `Say --database with one of: ${rows.map(row => row.alias).join(', ')}.`
  throw unclear(
    wanted === undefined ? `which database of tenant "${tenant}"?` : `tenant "${tenant}" has no database "${wanted}"`,
    there,
  )
}

async function choosePrincipal(pool: Pool, tenant: string, wanted: string | undefined): Promise<Principal> {
  const users = await listUsers(pool, tenant)
  const fitting = wanted === undefined ? users : users.filter(user => user.login === wanted)
  const [only, second] = fitting
  if (only === undefined || second !== undefined) {
    const there =
      users.length === 0
        ? 'It has none yet.'
        : `Say --user with one of: ${users.map(user => `${user.login}@${tenant}`).join(', ')}.`
    throw unclear(
      wanted === undefined
        ? `in the name of which user of tenant "${tenant}"?`
        : `tenant "${tenant}" has no user "${wanted}"`,
      there,
    )
  }
  const members = await readMembers(pool, [only.principalId])
  const member = members.find(one => one.tenantId === only.tenantId)
  if (member !== undefined) return principalOf(member)
  throw new SqlError({ code: '28000', message: `${only.login}@${tenant} is disabled` })
}

function unclear(message: string, hint: string): SqlError {
  return new SqlError({ code: '22023', message, hint })
}
