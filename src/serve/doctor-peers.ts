/** What Postern asks over the network besides Postgres: issuers of tokens, Redis. */
import { Redis } from 'ioredis'
import type { Config } from '../config.ts'
import { ask, askForJson } from '../identity/fetch-json.ts'
import { discoverJwks } from '../identity/jwt.ts'
import type { Finding } from './finding.ts'

const redisTimeoutMs = 2_000

type Issuer = Config['identity']['issuers'][number]

export async function checkPeers(config: Config): Promise<Finding[]> {
  const issuers = await Promise.all(config.identity.issuers.map(checkIssuer))
  return [...issuers, ...(await checkRedis(config))]
}

async function checkIssuer(options: Issuer): Promise<Finding> {
  const what = `issuer ${options.issuer}`
  const mend =
    'Its tokens are refused until it answers. Look at identity.issuers, at names and ways out of this machine.'
  try {
    return { what, state: 'good', found: await reachIssuer(options), mend }
  } catch (thrown) {
    return { what, state: 'fault', found: reasonOf(thrown), mend }
  }
}

/** Without credentials an endpoint refuses, which shows that it is there. */
async function reachIssuer({ issuer, jwksUri, discovery, introspection, profile }: Issuer): Promise<string> {
  const found: string[] = []
  if (discovery || jwksUri !== null) {
    await askForJson(jwksUri ?? (await discoverJwks(issuer)))
    found.push('its keys can be read')
  }
  for (const endpoint of [introspection?.endpoint, profile?.endpoint]) {
    if (endpoint === undefined) continue
    const { status } = await ask(endpoint, { method: endpoint === introspection?.endpoint ? 'POST' : 'GET' })
    if (status === 404 || status >= 500) throw new Error(`${endpoint} answered ${status}`)
    found.push(`${endpoint} answers`)
  }
  return found.join('; ')
}

async function checkRedis({ redis: { url }, rates: { store } }: Config): Promise<Finding[]> {
  if (url === null) return []
  const what = 'Redis'
  if (store !== 'auto' && store !== 'redis')
    return [{ what, state: 'doubt', found: `not used: rates.store is ${store}`, mend: 'Set rates.store to auto.' }]
  const mend = 'Look at redis.url. Until it answers each process counts calls by itself.'
  const redis = new Redis(url.reveal(), {
    lazyConnect: true,
    connectTimeout: redisTimeoutMs,
    commandTimeout: redisTimeoutMs,
    retryStrategy: () => null,
  })
  let lost: Error | undefined
  redis.on('error', (error: Error) => {
    lost = error
  })
  try {
    await redis.connect()
    await redis.ping()
    return [{ what, state: 'good', found: 'answers' }]
  } catch (thrown) {
    return [{ what, state: 'doubt', found: reasonOf(lost ?? thrown), mend }]
  } finally {
    redis.disconnect()
  }
}

/** fetch says "fetch failed", and why in its cause. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
