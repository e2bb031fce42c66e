import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseRoles } from '../../src/provision/names.ts'
import type { Served } from '../support/served.ts'
import { administer, ask, expectNothingLeft, serveCompany } from './company.ts'
import { psqlIsHere, type Said, sayEach } from './psql.ts'
import { psqlCommands } from './psql-commands.ts'
import { differences, type Ours } from './psql-differences.ts'

const extras = readFileSync(new URL('company-extras.sql', import.meta.url), 'utf8')

/** Another tenant's, as far as the cluster's own catalogs go. */
const neighbour = [
  'create role neighbour login',
  `comment on role neighbour is 'lives next door'`,
  'create database neighbours owner neighbour',
  'set allow_in_place_tablespaces = on',
  `create tablespace neighbourhood location ''`,
]
const subscriptionGone = ['alter subscription theirs set (slot_name = none)', 'drop subscription theirs']
const neighbourGone = ['drop tablespace neighbourhood', 'drop database neighbours', 'drop role neighbour']

describe.skipIf(!psqlIsHere)('backslash commands of psql', () => {
  let served: Served
  let ours: Ours
  let reader: Said[]
  let superuser: Said[]
  let gateway: Said[]

  beforeAll(async () => {
    served = await serveCompany({ limits: { rowsMax: 100_000 } })
    await administer(served, [...neighbour, extras])
    // Else autovacuum may do it between two of the sizes that are compared.
    await administer(served, ['vacuum analyze'])
    await served.database.refreshCatalog()
    const { database, user } = served.direct
    const roles = databaseRoles(served.database.id)
    ours = { database, roles: [user, ...Object.values(roles)], tablespaces: ['pg_default', 'pg_global'] }
    const path = 'set search_path = crm;'
    reader = await sayEach(served.direct, psqlCommands, `${await becomeReader(served)} ${path}`)
    superuser = await sayEach(served.direct, psqlCommands, path)
    gateway = await sayEach(served.gateway, psqlCommands, '')
  })

  afterAll(async () => {
    await expectNothingLeft(served).finally(async () => {
      await administer(served, [...subscriptionGone, ...neighbourGone])
      await served.stop()
    })
  })

  it.each(psqlCommands.map((command, at) => [command, at] as const))('%s', (command, at) => {
    const [direct, all, said] = [reader[at]!, superuser[at]!, gateway[at]!]
    const difference = differences.find(({ commands }) => commands.test(command))
    expect(settle(said)).toEqual(settle(difference?.expect(direct, all, ours) ?? direct))
  })
})

/** SQL that makes a superuser's session the reader's, pins and all. */
async function becomeReader(served: Served): Promise<string> {
  const { gate, reader } = databaseRoles(served.database.id)
  const pins = await ask(
    served,
    `select pg_catalog.format('set %s = %L;', split_part(s, '=', 1), split_part(s, '=', 2))
       from pg_catalog.pg_db_role_setting, unnest(setconfig) s where setrole = $1::regrole and s not like 'role=%'`,
    [gate],
  )
  return `set client_encoding = 'UTF8'; ${pins.flat().join(' ')} set session authorization "${gate}"; set role "${reader}";`
}

/** Postgres sorts no role's memberships; tablespaces and databases grow while we look, whether a size is told must agree. */
function settle(said: Said): Said {
  if (/^\\d[ug]/.test(said.command)) {
    return { ...said, out: said.out.replace(/{(.*?)}/g, (_, names: string) => `{${names.split(',').sort()}}`) }
  }
  if (!/^\\(db|l)\+/.test(said.command)) return said
  return { ...said, out: said.out.replaceAll(/\x1f\d+ (bytes|kB|MB)/g, '\x1f1 MB') }
}
