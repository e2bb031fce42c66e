/** The address of a database that stands already, as libpq's URIs write it. Manual: "Connection URIs" (libpq). */
import { readFileSync } from 'node:fs'
import type { ServerAddress, TlsMode } from '../control/servers.ts'
import { SqlError } from '../errors.ts'
import { nearest } from '../nearest.ts'

export interface TargetUrl {
  readonly address: ServerAddress
  readonly dbname: string
  readonly login: string
  readonly password: string
  /** For people: without the password. */
  readonly shown: string
}

const tlsModes: readonly TlsMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']
/** What a client would decide, and we decide ourselves: taken and not used. */
const ours = [
  'application_name',
  'connect_timeout',
  'keepalives',
  'channel_binding',
  'gssencmode',
  'fallback_application_name',
]
const known = ['host', 'port', 'user', 'password', 'dbname', 'sslmode', 'sslrootcert', ...ours]

/** @throws SqlError 22023, which never quotes the password */
export function parseTargetUrl(text: string): TargetUrl {
  const { url, host: hostPart, parameters } = split(text)
  const part = (name: string, written: string) => parameters.get(name) ?? decode(written)
  const host = part('host', hostPart)
  const port = Number(part('port', url.port) || '5432')
  const login = part('user', url.username)
  const password = part('password', url.password)
  const dbname = part('dbname', url.pathname.slice(1)) || login
  if (host === '') throw bad('names no host', 'Write postgres://user:password@host:5432/database.')
  if (host.includes(',')) throw bad('names several hosts', 'Name the one that may be asked, a replica for choice.')
  if (login === '') throw bad('names no user', 'Write postgres://user:password@host:5432/database.')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw noPort()
  return {
    address: { host, port, tlsMode: tlsModeOf(parameters, host), tlsCa: tlsCaOf(parameters) },
    dbname,
    login,
    password,
    shown: shownUrl(host, port, login, dbname),
  }
}

function shownUrl(host: string, port: number, login: string, dbname: string): string {
  const [user, name] = [login, dbname].map(encodeURIComponent)
  if (host.startsWith('/')) return `postgres://${user}@/${name}?host=${host}&port=${port}`
  return `postgres://${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${name}`
}

/** URL knows no empty host (`postgres:///db?host=/run`) and would make a path of a socket's folder (`%2Frun`). */
function split(text: string): { url: URL; host: string; parameters: ReadonlyMap<string, string> } {
  const match = /^postgres(?:ql)?:\/\/((?:[^@/?#]*@)?)(\[[^\]]*\]|[^@/?#:]*)(.*)$/s.exec(text.trim())
  if (match === null)
    throw bad('is none that begins with postgres://', 'Write postgres://user:password@host:5432/database.')
  const [, credentials = '', host = '', rest = ''] = match
  const [, portPart] = /^:(\d+)(?:[/?#]|$)/.exec(rest) ?? []
  if (Number(portPart ?? '5432') > 65_535) throw noPort()
  const stand = `postgres://${credentials}stand-in${rest}`
  if (!URL.canParse(stand))
    throw bad('cannot be read', 'Percent-encode what is special in the user, password and database name.')
  const url = new URL(stand)
  if (url.hostname !== 'stand-in') throw bad('cannot be read', 'An @ in the user or password is written %40.')
  for (const name of url.searchParams.keys()) if (!known.includes(name)) throw unknown(name)
  return { url, host: host.replace(/^\[|\]$/g, ''), parameters: new Map(url.searchParams) }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw bad('cannot be read', 'A % that stands for itself is written %25.')
  }
}

/** libpq's default, which encrypts where the server can; `allow` asks for no more than that. */
function tlsModeOf(parameters: ReadonlyMap<string, string>, host: string): TlsMode {
  const given = parameters.get('sslmode')
  if (host.startsWith('/')) return 'disable'
  if (given === undefined) return parameters.has('sslrootcert') ? 'verify-full' : 'prefer'
  if (given === 'allow') return 'prefer'
  const mode = tlsModes.find(one => one === given)
  if (mode !== undefined) return mode
  throw bad(`has the unknown sslmode ${JSON.stringify(given)}`, `It is one of: ${tlsModes.join(', ')}.`)
}

function tlsCaOf(parameters: ReadonlyMap<string, string>): string | undefined {
  const path = parameters.get('sslrootcert')
  if (path === undefined || path === 'system') return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw bad(
      `names an sslrootcert that cannot be read: ${path}`,
      'It is a PEM file with certificates of authorities.',
      cause,
    )
  }
}

function unknown(name: string): SqlError {
  const meant = nearest(name, known)
  const hint = meant === undefined ? `Known are: ${known.join(', ')}.` : `Did you mean ${meant}?`
  return bad(`has the unknown parameter ${JSON.stringify(name)}`, hint)
}

function noPort(): SqlError {
  return bad('has no usable port', 'It is a number from 1 to 65535.')
}

function bad(fault: string, hint: string, cause?: unknown): SqlError {
  return new SqlError({ code: '22023', message: `the database's address ${fault}`, hint, cause })
}
