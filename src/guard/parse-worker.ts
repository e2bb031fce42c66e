/** The thread that parses long texts: a text comes in, its tree as JSON or an error's fields go out, one at a time. */
import { parentPort } from 'node:worker_threads'
import { SqlError } from '../errors.ts'
import { loadGrammar } from './grammar.ts'

if (parentPort === null) throw new Error('parse-worker.ts runs as a worker thread only')
const port = parentPort
const grammar = await loadGrammar()

port.on('message', (text: string) => {
  try {
    port.postMessage({ tree: grammar.parse(text) })
  } catch (thrown) {
    if (!(thrown instanceof SqlError)) throw thrown
    port.postMessage({ error: thrown.fields() })
  }
})
port.postMessage('ready')
