import { SqlError } from '../errors.ts'
import type { StartupMessage } from '../wire/startup.ts'
import { parseStartupOptions, type StartupSetting } from './startup-options.ts'

/** What a StartupMessage asks for, as far as it may. */
export interface StartupRequest {
  readonly user: string
  /** As sent; undefined: none was, or libpq filled in the user's name. */
  readonly database: string | undefined
  readonly applicationName: string
  /** Settings to be made as by SET, in the order in which Postgres would make them; names in lower case. */
  readonly settings: readonly StartupSetting[]
  /** 0 to 2: the protocol is 3.0 to 3.2. */
  readonly protocolMinor: number
  /** The _pq_ options asked for, none of which is known; undefined: nothing to negotiate. */
  readonly unknownOptions: readonly string[] | undefined
}

/** The newest protocol: 3.2. */
const minorMax = 2

/** Settings that a client may bring along; whether their values are taken, the session says as for any SET. */
const settable: ReadonlySet<string> = new Set([
  'application_name',
  'bytea_output',
  'client_min_messages',
  'datestyle',
  'default_transaction_deferrable',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'extra_float_digits',
  'idle_in_transaction_session_timeout',
  'intervalstyle',
  'jit',
  'lock_timeout',
  'search_path',
  'statement_timeout',
  'timezone',
  'transaction_timeout',
])

/**
 * Judges a StartupMessage (manual, section 54.2.1). `ignored`: parameter names, in lower case, that are dropped unread.
 * @throws SqlError, FATAL: 0A000 another major version, 28000 no user, 42501 and 42704 parameters, 22023 encodings.
 */
export function readStartup(message: StartupMessage, ignored: ReadonlySet<string>): StartupRequest {
  if (message.major !== 3) {
    const asked = `${message.major}.${message.minor}`
    throw refused('0A000', `unsupported frontend protocol ${asked}: server supports 3.0 to 3.${minorMax}`)
  }
  const user = message.parameters.get('user') ?? ''
  if (user === '') throw refused('28000', 'no PostgreSQL user name specified in startup packet')
  const database = message.parameters.get('database') ?? ''
  const settings = collectSettings(message.parameters, ignored)
  const unknownOptions =
    message.minor > minorMax || message.protocolOptions.length > 0 ? message.protocolOptions : undefined
  return {
    user,
    database: database === '' || database === user ? undefined : database,
    applicationName: settings.findLast(([name]) => name === 'application_name')?.[1] ?? '',
    settings,
    protocolMinor: Math.min(message.minor, minorMax),
    unknownOptions,
  }
}

/** Those of `options` come first, as in Postgres: a parameter of its own overrides them. */
function collectSettings(parameters: ReadonlyMap<string, string>, ignored: ReadonlySet<string>): StartupSetting[] {
  const own = [...parameters].filter(([name]) => !['user', 'database', 'options'].includes(name))
  const asked = [...parseStartupOptions(parameters.get('options') ?? ''), ...own]
  const settings: StartupSetting[] = []
  for (const [spelled, value] of asked) {
    const name = spelled.toLowerCase()
    if (ignored.has(name) || isHarmless(name, value)) continue
    if (!settable.has(name)) throw notSettable(spelled)
    settings.push([name, value])
  }
  return settings
}

/** Parameters that ask for what is so anyway. @throws SqlError where they ask for something else. */
function isHarmless(name: string, value: string): boolean {
  switch (name) {
    case 'client_encoding':
      return checkEncoding(value)
    case 'standard_conforming_strings':
      if (isPrefixOf(value, ['on', 'true', 'yes', '1'])) return true
      throw refused('42501', 'standard_conforming_strings cannot be turned off here')
    case 'replication':
      if (isPrefixOf(value, ['off', 'false', 'no', '0'])) return true
      throw refused('0A000', 'replication connections are not supported here')
    case 'role':
    case 'session_authorization':
      throw refused('42501', `parameter "${name}" cannot be set here`, 'The role follows from the login.')
    default:
      return false
  }
}

/** Postgres takes any unambiguous beginning of a boolean's words. */
function isPrefixOf(value: string, words: readonly string[]): boolean {
  const text = value.trim().toLowerCase()
  return text !== '' && text !== 'o' && words.some(word => word.startsWith(text))
}

/** psql under LC_ALL=C asks for SQL_ASCII, which promises nothing: it gets UTF8, and its bytes are checked as such. */
function checkEncoding(value: string): boolean {
  const name = value.toLowerCase().replace(/[^a-z0-9]/g, '')
  if (['utf8', 'unicode', 'sqlascii'].includes(name)) return true
  throw refused(
    '22023',
    `client_encoding ${JSON.stringify(value.slice(0, 64))} is not supported: only UTF8 is`,
    'Set PGCLIENTENCODING=UTF8 or client_encoding=UTF8 in the connection string.',
  )
}

function notSettable(name: string): SqlError {
  return refused(
    '42704',
    `startup parameter ${JSON.stringify(name.slice(0, 64))} is not supported`,
    'The operator may list it in ignoreStartupParameters.',
  )
}

function refused(code: string, message: string, hint?: string): SqlError {
  return new SqlError({ code, severity: 'FATAL', message, hint })
}
