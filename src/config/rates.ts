/** Settings of how many calls there may be in a minute, an hour and a day, and where they are counted. */
import { z } from 'zod'
import { secret } from './secret.ts'

const rate = (value: number | null, description: string) =>
  z.int().min(1).max(2_147_483_647).nullable().default(value).describe(description)

interface Defaults {
  readonly principalPerMinute?: number
  readonly principalPerHour?: number
  readonly tenantPerDay?: number
}

const rates = (what: string, defaults: Defaults) =>
  z
    .strictObject({
      principalPerMinute: rate(defaults.principalPerMinute ?? null, `${what} per principal and minute; off: no limit.`),
      principalPerHour: rate(defaults.principalPerHour ?? null, 'The same per hour.'),
      principalPerDay: rate(null, 'The same per day (UTC).'),
      tenantPerMinute: rate(null, `${what} per tenant and minute.`),
      tenantPerHour: rate(null, 'The same per hour.'),
      tenantPerDay: rate(defaults.tenantPerDay ?? null, 'The same per day (UTC).'),
    })
    .prefault({})

export const ratesSettings = z
  .strictObject({
    store: z
      .enum(['auto', 'memory', 'postgres', 'redis'])
      .default('auto')
      .describe(
        'Where calls are counted. auto: Redis where redis.url is set, else the control database. memory: each process by itself.',
      ),
    query: rates('Calls of the MCP tool query', {
      principalPerMinute: 60,
      principalPerHour: 1_000,
      tenantPerDay: 20_000,
    }),
    call: rates('Calls of the other MCP tools', {
      principalPerMinute: 300,
      principalPerHour: 6_000,
      tenantPerDay: 100_000,
    }),
    statement: rates('Statements on the wire', {}),
  })
  .prefault({})

export const redisSettings = z
  .strictObject({
    url: secret().nullable().default(null).meta({
      secret: 'url',
      description: 'Redis that a fleet shares, redis://user:password@host:port/0 or rediss://. Unset: none.',
    }),
  })
  .prefault({})
