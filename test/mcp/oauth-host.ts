/** What an agent's host adds to its library's own OAuth: a browser that goes where it is sent, and a place for tokens. */
import type { OAuthClientProvider, StoredOAuthTokens } from '@modelcontextprotocol/client'
import { agent, logIn } from '../support/openid.ts'

export class OAuthHost implements OAuthClientProvider {
  readonly redirectUrl = agent.redirect
  readonly clientMetadata = {
    redirect_uris: [agent.redirect],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }
  /** What was asked for each time. */
  readonly asked: {
    readonly scope: string | null
    readonly resource: string | null
    readonly challenge: string | null
  }[] = []
  /** What the browser came back with. */
  answered = new URLSearchParams()
  stored: StoredOAuthTokens | undefined
  readonly #user: string
  #verifier = ''

  /** @param user who logs in at the provider */
  constructor(user: string, stored?: string) {
    this.#user = user
    if (stored !== undefined) this.stored = { access_token: stored, token_type: 'Bearer' }
  }

  clientInformation() {
    return { client_id: agent.id }
  }

  tokens() {
    return this.stored
  }

  saveTokens(tokens: StoredOAuthTokens) {
    this.stored = tokens
  }

  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier
  }

  codeVerifier() {
    return this.#verifier
  }

  async redirectToAuthorization(url: URL) {
    const { searchParams } = url
    this.asked.push({
      scope: searchParams.get('scope'),
      resource: searchParams.get('resource'),
      challenge: searchParams.get('code_challenge_method'),
    })
    url.searchParams.set('login_hint', this.#user)
    this.answered = await logIn(url.href)
  }
}
