/** Credentials as a command line gives them: what is secret comes from standard input or a variable, never as an argument. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { readVariable } from '../config.ts'
import type { NewCredential } from '../control/connectors.ts'
import { SqlError } from '../errors.ts'
import { encodeStored, type StoredCredentials } from '../materialize/connector-auth.ts'
import type { AuthKind, ConnectorType } from '../materialize/connector-types.ts'
import type { Terminal } from './terminal.ts'

export interface SecretOptions {
  readonly auth?: AuthKind
  readonly user?: string
  readonly header?: string
  readonly clientId?: string
  readonly secret?: string
}

export function withSecret(command: Command): Command {
  return command
    .addOption(
      new Option('--auth <kind>', 'how it shows who it is').choices([
        'none',
        'bearer',
        'header',
        'basic',
        'client-credentials',
      ]),
    )
    .option('--user <name>', 'for basic')
    .option('--header <name>', 'for header, where its type names none')
    .option('--client-id <id>', 'for client-credentials')
    .option(
      '--secret <from>',
      'token, password, key or client secret: env:NAME, or - for standard input; else asked for',
    )
}

/** Undefined: none are given. @throws SqlError 22023 for what does not go together */
export async function readCredential(
  terminal: Terminal,
  type: ConnectorType,
  options: SecretOptions,
): Promise<NewCredential | undefined> {
  const { auth } = options
  if (auth === undefined) {
    const stray = (['user', 'header', 'clientId', 'secret'] as const).find(name => options[name] !== undefined)
    if (stray !== undefined) throw bad('say with --auth what kind of credentials these are')
    return undefined
  }
  if (type.auth[auth] === undefined)
    throw bad(`connector type "${type.name}" takes no ${auth}; it takes ${Object.keys(type.auth).join(', ')}`)
  return encodeStored(await readStored(terminal, type, auth, options))
}

async function readStored(
  terminal: Terminal,
  type: ConnectorType,
  auth: AuthKind,
  { user, header, clientId, secret }: SecretOptions,
): Promise<StoredCredentials> {
  const ask = (what: string) => readSecret(terminal, what, secret)
  switch (auth) {
    case 'none':
      return { kind: 'none' }
    case 'bearer':
      return { kind: 'bearer', token: await ask('Token') }
    case 'header': {
      const name = type.auth.header?.name ?? header
      if (name === undefined || !/^[!#$%&'*+.^_`|~\w-]{1,100}$/.test(name)) throw bad('name the header with --header')
      return { kind: 'header', name, value: `${type.auth.header?.prefix ?? ''}${await ask('Value of the header')}` }
    }
    case 'basic':
      if (user === undefined) throw bad('name the user with --user')
      return { kind: 'basic', user, password: await ask(`Password of ${user}`) }
    case 'client-credentials': {
      if (clientId === undefined) throw bad('name the client with --client-id')
      const clientSecret = await ask('Client secret')
      return { kind: 'client-credentials', clientId, clientSecret, accessToken: null, expiresAtMs: null }
    }
    case 'oauth':
      throw bad('credentials of this kind come by "connector connect"')
    default:
      return auth satisfies never
  }
}

/** @param from `env:NAME`, `-` for standard input, or nothing: asked for. @throws SqlError 22023 */
export async function readSecret(terminal: Terminal, what: string, from: string | undefined): Promise<string> {
  const secret = await secretOf(terminal, what, from)
  // Into a header it must not bring another one.
  if (/[\0-\x1f\x7f]/.test(secret)) throw bad('a secret holds no control characters')
  return secret
}

async function secretOf(terminal: Terminal, what: string, from: string | undefined): Promise<string> {
  if (from === undefined || from === '-') return await terminal.readPassword(`${what}: `)
  if (from.startsWith('env:')) return readVariable(from.slice('env:'.length))
  throw bad('a secret is not an argument, where every process sees it: --secret env:NAME, or --secret -')
}

function bad(message: string): SqlError {
  return new SqlError({ code: '22023', message })
}
