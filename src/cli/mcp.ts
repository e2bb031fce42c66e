/** The MCP door on standard input and output, for a host that starts its servers itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Pool } from 'pg'
import { type Config, readVariable } from '../config.ts'
import { readMembers } from '../control/members.ts'
import { findTenant } from '../control/tenants.ts'
import { listUsers } from '../control/users.ts'
import { SqlError } from '../errors.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import { type Principal, principalOf } from '../identity/principal.ts'
import type { CallMeta } from '../mcp/call-meta.ts'
import { openStores, type Stores } from '../serve/stores.ts'
import { parseLogin } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { stopped } from './gateway.ts'
import { openUrl, refuseWithUrl } from './mcp-url.ts'

interface McpOptions {
  readonly principal?: string
  readonly tokenEnv?: string
  readonly passThrough?: true
  readonly tools?: 'core' | 'extended'
  readonly url?: string
  readonly provision?: true
}

/** Another process that makes the embedded Postgres for the first time needs so long at most. */
const firstStartMaxMs = 60_000
const firstStartLookEveryMs = 500
const drainMs = 2_000
const clusterLookEveryMs = 1_000
const clusterLooksMax = 3
/** What became of the user whom the command line names is looked at again after so long. */
const localFreshMs = 2_000

export function mcpCommand(cli: Cli): Command {
  const command = describeCommand('mcp', 'serve MCP on standard input and output, for one host', [
    'mcp --principal alice@acme',
    'mcp --token-env ACME_KEY --tools extended',
    'mcp --url postgres://reader:secret@db.example:5432/shop',
  ])
    .option('--principal <login@tenant>', 'in whose name; whoever may start this command answers for it')
    .option('--token-env <name>', 'the environment variable with an API key or access token; else POSTERN_MCP_TOKEN')
    .option('--pass-through', "the host sends each user's token with the call (_meta.authorization)")
    .option(
      '--url <address>',
      'guard this database, with nothing else set up: postgres://user:password@host:port/name, or env:NAME',
    )
    .option('--provision', 'with --url, an administrator’s: make a gate and a reader by it, and serve through those')
    .addOption(new Option('--tools <set>', 'which tools').choices(['core', 'extended']))
  return command.action((options: McpOptions) =>
    runCommand(
      cli,
      command,
      async run => {
        refuseWithUrl(new Set(Object.keys(options)))
        const o = { tools: options.tools, streams: cli.streams }
        if (options.url !== undefined) {
          const { config, stores, principal } = await openUrl(run, options.url, options.provision === true)
          return await serveStdio(run, config, stores, principal, o)
        }
        const who = { ...options, token: tokenOf(run.config, options) }
        if (who.principal === undefined && who.token === undefined && who.passThrough === undefined) throw nobody()
        await serveStdio(run, run.config, await openStoresPatiently(run), who, o)
      },
      'service',
    ),
  )
}

/** In whose name: a principal that is known already, or what finds it out for each request. */
export type Who =
  | Principal
  | { readonly principal?: string; readonly token: string | undefined; readonly passThrough?: true }

/** Serves until the host closes standard input or the process is told to stop, and closes everything, the stores too. */
export async function serveStdio(
  { log, signal }: Pick<Run, 'log' | 'signal'>,
  config: Config,
  stores: Stores,
  who: Who,
  o: { readonly tools?: McpOptions['tools']; readonly streams: Cli['streams'] },
): Promise<void> {
  try {
    const [{ openCore }, { callingParts }, { startStdio }] = await Promise.all([
      import('../serve/core.ts'),
      import('../serve/mcp.ts'),
      import('../mcp/stdio.ts'),
    ])
    const core = await openCore(config, stores, log, { beside: true })
    try {
      const { first, authenticate } = await findWho(who, config, stores.control, core.identity.authenticator)
      const settings = o.tools === undefined ? config.mcp : { ...config.mcp, toolsExtended: o.tools === 'extended' }
      const door = await startStdio(
        {
          ...callingParts(config, stores, core, log),
          config: settings,
          authenticate,
          input: o.streams.input,
          output: o.streams.output,
        },
        first,
      )
      core.revocations.watch(door)
      if (first !== undefined) core.revocations.note(first)
      log.info({ principal: first?.login, databases: core.databases.all(first?.tenant).length }, 'serving MCP')
      const watch = new AbortController()
      try {
        await Promise.race([door.ended, stopped(signal), lostCluster(stores, watch.signal)])
      } finally {
        watch.abort()
        await door.close(signal.aborted ? drainMs : 0)
      }
    } finally {
      await core.close()
    }
  } finally {
    await stores.close()
  }
}

/**
 * The embedded Postgres belongs to the process that started it, and its next one has another address: a process that
 * joined it ends with it, so that its host starts it anew.
 * @throws SqlError 57P03 once it has been away for some seconds
 */
async function lostCluster({ cluster, control }: Stores, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (failures < clusterLooksMax) {
    await sleep(clusterLookEveryMs, undefined, { signal, ref: false })
    if (cluster?.joined !== true) continue
    failures = await control.query('select 1').then(
      () => 0,
      () => failures + 1,
    )
  }
  throw new SqlError({
    code: '57P03',
    message: 'the Postern that ran the embedded Postgres has ended',
    hint: 'Start this one again: it then runs it itself.',
  })
}

interface Found {
  /** Undefined where every request brings its own token. */
  readonly first: Principal | undefined
  authenticate(meta: CallMeta): Promise<Principal>
}

async function findWho(who: Who, config: Config, control: Pool, authenticator: Authenticator): Promise<Found> {
  if ('id' in who) return { first: who, authenticate: () => Promise.resolve(who) }
  const audience = config.mcp.publicUrl ?? `http://${config.mcp.host}:${config.mcp.port}/mcp`
  const byToken = (token: string, tenant: string | undefined) =>
    authenticator.authenticate(token, { tenant: tenant ?? null, audience, address: 'local' })
  const { principal, token, passThrough = false } = who
  const local = principal === undefined ? undefined : freshly(() => findLocal(control, principal))
  const own = async (meta: CallMeta) => {
    if (local !== undefined) return await local()
    return token === undefined ? undefined : await byToken(token, meta.tenant)
  }
  return {
    first: (await local?.()) ?? (token === undefined ? undefined : await firstOf(() => byToken(token, undefined))),
    async authenticate(meta) {
      if (meta.authorization === undefined) {
        const principal = await own(meta)
        if (principal !== undefined) return principal
        throw new SqlError({ code: '28000', message: 'the host sent no token: _meta.authorization' })
      }
      if (passThrough) return await byToken(meta.authorization, meta.tenant)
      throw new SqlError({
        code: '42501',
        message: 'tokens of users are not taken from this host',
        hint: 'Start with --pass-through where the host may answer for its users.',
      })
    },
  }
}

/** `find`, asked again when its answer is older than {@link localFreshMs}. */
function freshly<T>(find: () => Promise<T>): () => Promise<T> {
  let found: { readonly value: Promise<T>; readonly until: number } | undefined
  return () => {
    if (found === undefined || performance.now() >= found.until)
      found = { value: find(), until: performance.now() + localFreshMs }
    return found.value
  }
}

/** A token of several tenants has no principal before a request names one. */
async function firstOf(find: () => Promise<Principal>): Promise<Principal | undefined> {
  try {
    return await find()
  } catch (error) {
    if (error instanceof SqlError && error.code === '22023') return undefined
    throw error
  }
}

/** @throws SqlError 42704, 28000 where he is disabled */
async function findLocal(control: Pool, name: string): Promise<Principal> {
  const { login, tenant } = parseLogin(name)
  await findTenant(control, tenant)
  const user = (await listUsers(control, tenant)).find(one => one.login === login)
  if (user === undefined) throw new SqlError({ code: '42704', message: `tenant "${tenant}" has no user "${login}"` })
  const members = await readMembers(control, [user.principalId])
  const member = members.find(one => one.tenantId === user.tenantId)
  if (member === undefined) throw new SqlError({ code: '28000', message: `${name} is disabled` })
  return principalOf(member, { via: 'local', credential: null, expiresAt: null, scopes: null })
}

function tokenOf(config: Config, { tokenEnv }: McpOptions): string | undefined {
  return tokenEnv === undefined ? config.mcp.token?.reveal() : readVariable(tokenEnv)
}

function nobody(): SqlError {
  return new SqlError({
    code: '22023',
    message: 'in whose name?',
    hint: 'Say --principal <login>@<tenant>, or set POSTERN_MCP_TOKEN to an API key ("postern key add").',
  })
}

/** Waits for another process that is making the embedded Postgres at this moment. */
async function openStoresPatiently({ config, log, signal }: Run): Promise<Stores> {
  const until = performance.now() + firstStartMaxMs
  for (;;) {
    try {
      return await openStores(config, log, { migrate: false })
    } catch (error) {
      const busy = error instanceof SqlError && error.code === '55006'
      if (!busy || signal.aborted || performance.now() > until) throw error
      await sleep(firstStartLookEveryMs)
    }
  }
}
