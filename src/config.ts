/**
 * All settings: one strict schema for `postern.yml` and the environment (POSTERN_*, which wins). The only reader of
 * process.env and of the config file. What it does not know it refuses, all faults at once.
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import { catalogConfig } from './config/catalog.ts'
import { schemaFaults } from './config/faults.ts'
import { identity } from './config/identity.ts'
import { type Environment, overlay, readConfigFile, readEnvironment } from './config/layers.ts'
import { type Leaf, leavesOf } from './config/leaves.ts'
import { materializeConfig } from './config/materialize.ts'
import { mcp } from './config/mcp.ts'
import { ratesSettings, redisSettings } from './config/rates.ts'
import { schemasConfig } from './config/schemas.ts'
import { secret } from './config/secret.ts'
import { semanticConfig } from './config/semantic.ts'
import { SqlError } from './errors.ts'
import { defaultGatewayLimits } from './gateway/limits.ts'
import { defaultLimits } from './guard/policy.ts'
import { poolDefaults } from './upstream/pool-options.ts'

const count = (value: number, most = 1_000_000_000) => z.int().min(1).max(most).default(value)
const bytes = (value: number) =>
  z
    .int()
    .min(1024)
    .max(8 * 1024 ** 3)
    .default(value)
const milliseconds = (value: number) => z.int().min(1).max(2_147_483_647).default(value)
const path = () => z.string().min(1)
const control = z.strictObject({
  url: secret().nullable().default(null).meta({
    secret: 'url',
    description:
      'The control database, postgres://user:password@host:port/name. Unset: an embedded Postgres under dataDir.',
  }),
})

const tls = z
  .strictObject({
    cert: path().nullable().default(null).describe('PEM file of the certificate chain. With key: TLS is offered.'),
    key: path().nullable().default(null).describe('PEM file of the private key.'),
  })
  .refine(value => (value.cert === null) === (value.key === null), 'needs both cert and key')

const gateway = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
    port: z.int().min(1).max(65_535).default(6432).describe('Port to listen on.'),
    socket: path().nullable().default(null).describe('Folder in which to listen on a Unix socket too.'),
    tls: tls.prefault({}),
    requireTls: z.boolean().default(false).describe('Refuse clients without TLS, except on the Unix socket.'),
    loginTimeoutMs: milliseconds(defaultGatewayLimits.loginTimeoutMs).describe('From accept to the end of the login.'),
    unauthenticatedPerAddressMax: count(defaultGatewayLimits.unauthenticatedPerAddressMax).describe(
      'Connections from one address that have not logged in.',
    ),
    unauthenticatedMax: count(defaultGatewayLimits.unauthenticatedMax).describe('The same in all.'),
    connectionsMax: count(defaultGatewayLimits.connectionsMax).describe('Logged-in clients at once.'),
    loginBufferMaxBytes: bytes(defaultGatewayLimits.loginBufferMaxBytes).describe(
      'Bytes held of a connection that has not logged in.',
    ),
    messageMaxBytes: bytes(defaultGatewayLimits.messageMaxBytes).describe(
      'One frontend message; a longer one is refused with 54000.',
    ),
    slowReaderTimeoutMs: milliseconds(defaultGatewayLimits.slowReaderTimeoutMs).describe(
      'A client that takes nothing of its answer for so long is cut off.',
    ),
    lingerMs: milliseconds(defaultGatewayLimits.lingerMs).describe('How long a refused client may take to read why.'),
    lingeringMax: count(defaultGatewayLimits.lingeringMax).describe('Refused clients that are waited for at once.'),
    cancelsPerSecond: count(defaultGatewayLimits.cancelsPerSecond).describe('Cancel requests from one address.'),
    keepAliveInitialDelayMs: milliseconds(defaultGatewayLimits.keepAliveInitialDelayMs).describe(
      'Idle time before TCP keep-alives begin.',
    ),
    drainTimeoutMs: milliseconds(10_000).describe('At shutdown sessions may finish their transaction for so long.'),
    ignoreStartupParameters: z
      .array(z.string().min(1))
      .default([])
      .describe('Startup parameters to accept and forget.'),
  })
  .refine(value => !value.requireTls || value.tls.cert !== null, {
    path: ['requireTls'],
    message: 'needs gateway.tls.cert and gateway.tls.key',
  })

const pool = z.strictObject({
  totalMax: count(80, 10_000).describe('Upstream connections in all.'),
  sizeMax: count(poolDefaults.sizeMax, 10_000).describe('Upstream connections per database.'),
  idleTimeoutMs: milliseconds(poolDefaults.idleTimeoutMs).describe('An upstream unused for so long is closed.'),
  lifetimeMs: milliseconds(poolDefaults.lifetimeMs).describe('An upstream this old is closed at its return.'),
  queueWaitTimeoutMs: milliseconds(poolDefaults.queueWaitTimeoutMs).describe('Wait for an upstream, then 53300.'),
  connectTimeoutMs: milliseconds(poolDefaults.connectTimeoutMs).describe(
    'Connecting upstream, login included, then 08001.',
  ),
  waitingMax: count(poolDefaults.waitingMax).describe('Statements that wait for an upstream of one database.'),
})

/** Defaults for every tenant; `postern` tables override them per tenant, database and principal. Names: guard/policy.ts. */
const limits = z.strictObject({
  rowsMax: count(defaultLimits.rowsMax).describe('Rows per statement, cumulative over a cursor.'),
  bytesMax: bytes(defaultLimits.bytesMax).describe('Bytes of rows per statement.'),
  cellMaxBytes: bytes(defaultLimits.cellMaxBytes).describe('Bytes of one value.'),
  statementTimeoutMs: milliseconds(defaultLimits.statementTimeoutMs).describe('One statement on the server.'),
  wallClockMs: milliseconds(defaultLimits.wallClockMs).describe(
    'One request, from its first message to ReadyForQuery.',
  ),
  lockTimeoutMs: milliseconds(defaultLimits.lockTimeoutMs).describe('Waiting for a lock.'),
  idleInTransactionTimeoutMs: milliseconds(defaultLimits.idleInTransactionTimeoutMs).describe(
    'Idle in an open transaction.',
  ),
  idleInTransactionContendedMs: milliseconds(defaultLimits.idleInTransactionContendedMs).describe(
    'The same while others wait for an upstream.',
  ),
  transactionTimeoutMs: milliseconds(defaultLimits.transactionTimeoutMs).describe('One transaction.'),
  statementTextMaxBytes: bytes(defaultLimits.statementTextMaxBytes).describe('Text of one statement.'),
  preparedStatementsMax: count(defaultLimits.preparedStatementsMax).describe('Prepared statements per client.'),
  portalsMax: count(defaultLimits.portalsMax).describe('Portals and cursors per client.'),
  upstreamsPerPrincipal: count(defaultLimits.upstreamsPerPrincipal).describe(
    'Statements or open transactions at once per principal.',
  ),
  upstreamsPerTenant: count(defaultLimits.upstreamsPerTenant).describe('The same per tenant.'),
  atRowLimit: z
    .enum(['truncate', 'refuse'])
    .default(defaultLimits.atRowLimit)
    .describe('What happens to the row after the last allowed.'),
  pushdown: z
    .enum(['auto', 'off'])
    .default(defaultLimits.pushdown)
    .describe('Splice a LIMIT into the statement where that is safe.'),
  pushdownSortedRowsMin: count(defaultLimits.pushdownSortedRowsMin).describe(
    'With ORDER BY only where a table is estimated above so many rows.',
  ),
})

const audit = z.strictObject({
  dir: path().nullable().default(null).describe('Folder of the spool. Unset: spool under dataDir.'),
  literals: z.enum(['redact', 'keep']).default('redact').describe('Literals in recorded statements.'),
  fsync: z
    .enum(['batch', 'always'])
    .default('batch')
    .describe('always: nothing is lost at power loss either, and every answer waits for the disk.'),
  spoolMaxBytes: bytes(1024 ** 3).describe('Unshipped records; full: statements are refused with 57P03.'),
  retentionDays: z
    .int()
    .min(1)
    .max(36_500)
    .nullable()
    .default(null)
    .describe('Months of the log that are wholly older are dropped. Unset: nothing is.'),
})

const log = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least severity to log.'),
  file: path().nullable().default(null).describe('Unset: standard error; for "postern up" postern.log under dataDir.'),
})

export const configSchema = z.strictObject({
  dataDir: path().default('.postern').describe('Folder of the embedded cluster, the master key and the spool.'),
  masterKey: secret().nullable().default(null).meta({
    secret: 'value',
    description:
      'Key that seals stored passwords, 32 bytes in base64. Unset: the file master.key under dataDir, made at the first start.',
  }),
  masterKeyPrevious: secret().nullable().default(null).meta({
    secret: 'value',
    description: 'The master key before this one, while "postern keys rotate" has not sealed everything anew.',
  }),
  control: control.prefault({}),
  gateway: gateway.prefault({}),
  pool: pool.prefault({}),
  limits: limits.prefault({}),
  rates: ratesSettings,
  redis: redisSettings,
  schemas: schemasConfig.prefault({}),
  materialize: materializeConfig.prefault({}),
  catalog: catalogConfig.prefault({}),
  semantic: semanticConfig.prefault({}),
  audit: audit.prefault({}),
  log: log.prefault({}),
  identity: identity.prefault({}),
  mcp: mcp.prefault({}),
})

export type Config = z.output<typeof configSchema>

export interface LoadedConfig {
  readonly config: Config
  /** Where the value of a key comes from: `postern.yml:3`, POSTERN_GATEWAY_PORT, or undefined for the default. */
  readonly said: (key: string) => string | undefined
}

export const settings: readonly Leaf[] = leavesOf(configSchema)

/**
 * Reads `file`, or else the file that POSTERN_CONFIG names, or else `postern.yml` where there is one; then the environment.
 * @throws SqlError F0000 (config_file_error) that lists every fault, one a line.
 */
export function loadConfig(file?: string, environment: Environment = process.env): LoadedConfig {
  const named = file ?? environment.POSTERN_CONFIG
  const fromFile = readConfigFile(resolve(named ?? 'postern.yml'), named === undefined, environment, settings)
  const fromEnvironment = readEnvironment(environment, settings)
  const said = (key: string): string | undefined => fromEnvironment.said(key) ?? fromFile.said(key)
  const parsed = configSchema.safeParse(overlay(fromFile.values, fromEnvironment.values))
  const faults = [...fromFile.faults, ...fromEnvironment.faults]
  if (!parsed.success) faults.push(...schemaFaults(parsed.error.issues, settings, said))
  if (faults.length > 0 || !parsed.success) {
    throw new SqlError({ code: 'F0000', message: ['The configuration is refused:', ...faults].join('\n  ') })
  }
  return { config: parsed.data, said }
}

/** The value of a variable that a command line names: a secret that must not stand in its arguments. @throws SqlError 22023 */
export function readVariable(name: string, environment: Environment = process.env): string {
  const value = environment[name]
  if (value !== undefined && value !== '') return value
  throw new SqlError({ code: '22023', message: `the environment variable ${name} is not set` })
}

/** NO_COLOR (no-color.org): a terminal's owner wants none. */
export function colourRefused(environment: Environment = process.env): boolean {
  return (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb'
}
