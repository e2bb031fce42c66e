/** Requests to a token endpoint (RFC 6749, section 3.2). Nothing of a token or secret gets into an error. */
import { z } from 'zod'
import { SqlError } from '../errors.ts'

const timeoutMs = 10_000
const answerMaxBytes = 256 * 1024
const lifetimeMaxSeconds = 10 * 365 * 24 * 3600

export interface TokenClient {
  readonly tokenUrl: string
  readonly id: string
  readonly secret: string | null
  readonly auth: 'basic' | 'post'
}

export interface Tokens {
  readonly accessToken: string
  /** Null: the provider gave none, and the one before it holds. */
  readonly refreshToken: string | null
  /** Milliseconds since the epoch; null: the provider did not say. */
  readonly expiresAtMs: number | null
}

/** The provider says no. `grant`: to this code or refresh token; `client`: to whoever asks. */
export class TokenRefused extends Error {
  readonly of: 'grant' | 'client'

  constructor(of: 'grant' | 'client', said: string) {
    super(`the token endpoint answered ${said}`)
    this.name = 'TokenRefused'
    this.of = of
  }
}

const answer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().optional(),
  refresh_token: z.string().min(1).optional(),
  expires_in: z.coerce.number().min(0).max(lifetimeMaxSeconds).optional(),
})
const refusal = z.object({ error: z.string().regex(/^[\w.-]{1,60}$/) })

/**
 * @throws TokenRefused where the provider says no; SqlError 08006 where it says nothing sensible: to be tried again
 */
export async function askForTokens(
  client: TokenClient,
  grant: Readonly<Record<string, string>>,
  nowMs: number,
): Promise<Tokens> {
  const { status, text } = await post(client, grant)
  const plain = parseJson(text)
  if (status === 200) {
    const parsed = answer.safeParse(plain)
    if (!parsed.success) throw unreachable(client, 'answers with something that is no token')
    const { access_token, refresh_token, expires_in } = parsed.data
    return {
      accessToken: access_token,
      refreshToken: refresh_token ?? null,
      expiresAtMs: expires_in === undefined ? null : nowMs + expires_in * 1000,
    }
  }
  const error = refusal.safeParse(plain).data?.error
  if (error === 'temporarily_unavailable' || status === 408 || status === 429 || status >= 500)
    throw unreachable(client, `answers ${status}`)
  if (error === 'invalid_grant') throw new TokenRefused('grant', error)
  if (status === 400 || status === 401 || status === 403) throw new TokenRefused('client', error ?? String(status))
  throw unreachable(client, `answers ${status}`)
}

async function post(client: TokenClient, grant: Readonly<Record<string, string>>) {
  const body = new URLSearchParams(grant)
  const headers: Record<string, string> = { accept: 'application/json' }
  if (client.secret !== null && client.auth === 'basic') {
    // Both are form-urlencoded first (RFC 6749, section 2.3.1).
    const pair = `${formEncode(client.id)}:${formEncode(client.secret)}`
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`
  } else {
    body.set('client_id', client.id)
    if (client.secret !== null) body.set('client_secret', client.secret)
  }
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const url = checkProviderUrl(client.tokenUrl)
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'error', signal })
    return { status: response.status, text: await readCapped(response) }
  } catch (cause) {
    if (cause instanceof SqlError) throw cause
    throw unreachable(client, 'does not answer', cause)
  }
}

/** Over TLS, or on this machine: what goes there is a secret. It holds none itself: it is shown. @throws SqlError 22023 */
export function checkProviderUrl(text: string, plainToo = false): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && url.username + url.password !== '')
    throw new SqlError({ code: '22023', message: 'an address holds no credentials: they are given apart, and sealed' })
  const local = url !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && (local || plainToo))) return url
  throw new SqlError({ code: '22023', message: `the provider's address ${JSON.stringify(text)} is not https` })
}

async function readCapped(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > answerMaxBytes) throw new Error(`the answer is longer than ${answerMaxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

function unreachable(client: TokenClient, what: string, cause?: unknown): SqlError {
  return new SqlError({
    code: '08006',
    message: `the token endpoint of ${new URL(client.tokenUrl).host} ${what}`,
    hint: 'Try again in a moment.',
    cause,
  })
}
