/** The least that a proxy in Node can do: bytes from one socket to another. Usage: relay.ts PORT UPSTREAM_PORT */
import { connect, createServer } from 'node:net'

const [port, upstreamPort] = process.argv.slice(2).map(Number)

createServer({ noDelay: true }, client => {
  const upstream = connect({ port: upstreamPort!, host: '127.0.0.1', noDelay: true })
  client.on('data', chunk => upstream.write(chunk) || client.pause())
  upstream.on('drain', () => client.resume())
  upstream.on('data', chunk => client.write(chunk) || upstream.pause())
  client.on('drain', () => upstream.resume())
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on('close', () => other.destroy())
    one.on('error', () => other.destroy())
  }
}).listen(port, '127.0.0.1')
