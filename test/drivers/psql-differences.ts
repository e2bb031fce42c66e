/** Where a backslash command may print something else through the gateway than Postgres tells the same role. All others must agree. */
import settings from '../../src/guard/settings.json' with { type: 'json' }
import { fieldEnd, recordEnd, type Said } from './psql.ts'

/** The names that this tenant may read. */
export interface Ours {
  readonly database: string
  readonly roles: readonly string[]
  readonly tablespaces: readonly string[]
}

export interface Difference {
  readonly commands: RegExp
  readonly why: string
  /** What must be printed, from what Postgres prints to the reader (or to the superuser, where it tells the reader nothing). */
  expect(direct: Said, superuser: Said, ours: Ours): Said
}

const shown = new Set(settings.shown)

export const differences: readonly Difference[] = [
  {
    commands: /^\\l\b/,
    why: 'databases of other tenants',
    expect: (direct, _, ours) => keepRows(direct, name => name === ours.database),
  },
  {
    commands: /^\\d[ug]S?\b/,
    why: 'roles that have nothing to do with this database',
    expect: (direct, _, ours) => keepRows(direct, name => ours.roles.includes(name) || name.startsWith('pg_')),
  },
  {
    commands: /^\\db(?!\+)/,
    why: 'tablespaces that this database does not use',
    expect: (direct, _, ours) => keepRows(direct, name => ours.tablespaces.includes(name)),
  },
  {
    commands: /^\\db\+/,
    why: "Postgres refuses it to all but members of pg_read_all_stats; here it tells this database's share of each size",
    expect: (_, superuser, ours) => keepRows(superuser, name => ours.tablespaces.includes(name)),
  },
  {
    commands: /^\\dRs\+/,
    why: 'Postgres refuses it to all but superusers, for the connection string; here that is null',
    expect: (_, superuser) => ({ ...superuser, out: superuser.out.replace(/host=[^\x1f\x1e]*/, '') }),
  },
  {
    commands: /^\\drds/,
    why: 'settings of roles are our pins, and may hold secrets',
    expect: direct => keepRows(direct, () => false),
  },
  {
    commands: /^\\dconfig/,
    why: 'settings that SHOW does not tell either: addresses, paths, commands',
    expect: direct => keepRows(direct, name => shown.has(name.toLowerCase())),
  },
  {
    commands: /^\\encoding LATIN1/,
    why: 'the gateway speaks UTF-8 only',
    expect: direct => ({ ...direct, err: 'LATIN1: invalid encoding name or conversion procedure not found\n' }),
  },
]

/** Drops rows of a listing by their first field, and counts again where psql counts. */
function keepRows(said: Said, keep: (name: string) => boolean): Said {
  const [title, heading, ...rest] = said.out.split(recordEnd)
  if (title === undefined || heading === undefined) return said
  const isCounted = /^\(\d+ rows?\)\n$/.test(rest.at(-1) ?? '')
  const rows = (isCounted ? rest.slice(0, -1) : rest).filter(row => row === '' || keep(row.split(fieldEnd)[0] ?? ''))
  const footer = isCounted ? [`(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})\n`] : []
  return { ...said, out: [title, heading, ...rows, ...footer].join(recordEnd) }
}
