import { open } from 'node:fs/promises'
import { lineMaxChars } from './encode.ts'
import type { SpoolFile } from './spool-folder.ts'

/** A line is never longer: lineMaxChars in UTF-8. */
const lineMaxBytes = lineMaxChars * 3 + 2

/**
 * Whole lines of a file from `offset` on, at most `bytesMax` of them (more where one line is longer); empty where
 * there is none. With 'rest' also what stands after the last newline.
 */
export async function readBatch(file: SpoolFile, offset: number, bytesMax: number, end?: 'rest'): Promise<Buffer> {
  const length = Math.min(file.bytes - offset, Math.max(bytesMax, lineMaxBytes))
  const buffer = Buffer.allocUnsafe(length)
  const handle = await open(file.path, 'r')
  let filled = 0
  try {
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
  } finally {
    await handle.close()
  }
  if (end === 'rest') return buffer.subarray(0, filled)
  return buffer.subarray(0, buffer.subarray(0, filled).lastIndexOf(0x0a) + 1)
}
