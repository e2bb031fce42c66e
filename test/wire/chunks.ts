import { type Frame, FrameReader } from '../../src/wire/framing.ts'

/** Every frame in `stream`, cut from chunks that end at the given offsets. */
export function readFrames(stream: Buffer, cuts: readonly number[] = [], maxBytes = 1 << 20): Frame[] {
  const reader = new FrameReader(maxBytes)
  const frames: Frame[] = []
  let start = 0
  for (const end of [...cuts, stream.length]) {
    reader.push(Buffer.from(stream.subarray(start, end)))
    for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame)
    start = end
  }
  return frames
}

/** The body of the only message in `bytes`. */
export function bodyOf(bytes: Buffer, type: string): Buffer {
  const frames = readFrames(bytes)
  if (frames.length !== 1 || frames[0]!.type !== type.charCodeAt(0)) throw new Error(`not one ${type} message`)
  return frames[0]!.body
}
