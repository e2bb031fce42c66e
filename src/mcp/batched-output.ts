/** A stream that writes at once what was written to it in one go: a pipe takes a system call for each write. */
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
        process.nextTick(flush)
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
