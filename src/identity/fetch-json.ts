/** Asks an issuer over HTTP: a deadline, a cap on the answer, and no redirects. */

const timeoutMs = 5_000
const answerMaxBytes = 1024 * 1024

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/** @throws Error where there is no whole answer in time */
export async function ask(url: string, init: RequestInit): Promise<HttpAnswer> {
  const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
  return { status: response.status, text: await readCapped(response) }
}

/** @throws Error where the answer is not 200 and JSON */
export async function askForJson(url: string): Promise<unknown> {
  const { status, text } = await ask(url, { headers: { accept: 'application/json' } })
  if (status !== 200) throw new Error(`${url} answered ${status}`)
  return JSON.parse(text)
}

async function readCapped(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > answerMaxBytes) throw new Error(`${response.url} answered more than ${answerMaxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
