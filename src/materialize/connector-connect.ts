/** The authorization code flow with PKCE (RFC 7636) for an application on this machine (RFC 8252, section 7.3). */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { SqlError } from '../errors.ts'
import type { StoredTokens } from './connector-auth.ts'
import type { AuthKinds } from './connector-types.ts'
import { askForTokens, checkProviderUrl, TokenRefused } from './oauth-tokens.ts'
import { fillAddress } from './templates.ts'

export interface ConnectRequest {
  readonly auth: NonNullable<AuthKinds['oauth']>
  readonly knobs: Readonly<Record<string, unknown>>
  readonly client: { readonly id: string; readonly secret: string | null }
  /** Where the provider sends the browser back to; 0: any free port. */
  readonly port: number
  /** Told where the browser has to go. */
  readonly onAddress: (address: string, redirect: string) => void
  readonly signal: AbortSignal
}

const answerTimeoutMs = 5 * 60_000
const callbackPath = '/callback'

/**
 * Waits until a person has allowed the access, or has not.
 * @throws SqlError 28000 where the provider or the person says no, 57014 where nobody answers in five minutes or `signal`
 * aborts, 55006 where the port is taken, 08006 where the provider does not answer
 */
export async function connectByBrowser(request: ConnectRequest): Promise<StoredTokens> {
  const { auth, knobs, client } = request
  const authorizationUrl = checkProviderUrl(fillAddress('the address of the provider', auth.authorization_url, knobs))
  const tokenUrl = checkProviderUrl(fillAddress('the token endpoint', auth.token_url, knobs)).href
  const server = await listen(request.port)
  try {
    const redirect = `http://127.0.0.1:${portOf(server)}${callbackPath}`
    const verifier = randomBytes(32).toString('base64url')
    const state = randomBytes(16).toString('base64url')
    const parameters = {
      ...Object.fromEntries(
        Object.entries(auth.parameters).map(([name, value]) => [name, fillAddress(`parameter ${name}`, value, knobs)]),
      ),
      response_type: 'code',
      client_id: client.id,
      redirect_uri: redirect,
      ...(auth.scopes.length === 0 ? {} : { scope: auth.scopes.join(' ') }),
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(parameters)) authorizationUrl.searchParams.set(name, value)
    const answered = awaitCode(server, state, request.signal)
    request.onAddress(authorizationUrl.href, redirect)
    const code = await answered
    const grant = { grant_type: 'authorization_code', code, redirect_uri: redirect, code_verifier: verifier }
    const tokens = await askForTokens({ tokenUrl, ...client, auth: auth.client_auth }, grant, Date.now())
    const { accessToken, expiresAtMs, refreshToken } = tokens
    return { kind: 'oauth', clientId: client.id, clientSecret: client.secret, accessToken, expiresAtMs, refreshToken }
  } catch (error) {
    if (error instanceof TokenRefused) throw refused(error.message)
    throw error
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer()
  return await new Promise((resolve, reject) => {
    server.once('error', cause =>
      reject(new SqlError({ code: '55006', message: `port ${port} of 127.0.0.1 cannot be listened on`, cause })),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** What comes with another state, or to another path, is not from the provider that was asked: it is answered and passed over. */
async function awaitCode(server: Server, state: string, signal: AbortSignal): Promise<string> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)])
  return await new Promise((resolve, reject) => {
    const stop = () => reject(new SqlError({ code: '57014', message: 'nobody has allowed the access' }))
    if (ended.aborted) stop()
    ended.addEventListener('abort', stop, { once: true })
    server.on('request', (incoming, response) => {
      const url = new URL(incoming.url ?? '/', 'http://127.0.0.1')
      const code = url.searchParams.get('code')
      const error = url.searchParams.get('error')
      const ours = url.pathname === callbackPath && isSame(url.searchParams.get('state') ?? '', state)
      const done = ours && incoming.method === 'GET' && (code !== null || error !== null)
      response.writeHead(done ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
      const said = error === null ? 'Connected.' : 'The access was not allowed.'
      // The answer is out before the server is closed.
      response.end(done ? `${said} You can close this window.\n` : 'There is nothing here.\n', () => {
        if (!done) return
        if (code !== null && error === null) resolve(code)
        else reject(refused(`the provider says ${/^[\w.-]{1,60}$/.test(error ?? '') ? error : 'no'}`))
      })
    })
  })
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function refused(message: string): SqlError {
  return new SqlError({ code: '28000', message: `the connector is not connected: ${message}` })
}
