/** A stream that writes once per turn of the event loop what was written to it meanwhile: a pipe takes a system call each. */
import { Writable } from 'node:stream'

export function batchedOutput(output: Writable): Writable {
  let waiting: string[] = []
  let scheduled = false
  const flush = () => {
    scheduled = false
    const text = waiting.join('')
    waiting = []
    if (text !== '') output.write(text)
  }
  const batched = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      waiting.push(String(chunk))
      if (!scheduled) {
        scheduled = true
        setImmediate(flush)
      }
      if (output.writableNeedDrain) output.once('drain', () => done())
      else done()
    },
    final(done) {
      flush()
      done()
    },
  })
  output.on('error', error => batched.destroy(error))
  return batched
}
