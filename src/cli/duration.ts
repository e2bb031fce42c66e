/** `30m`, `12h`, `90d` on the command line. */
import { InvalidArgumentError } from 'commander'

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const longestMs = 3_650 * unitsMs.d

/** For commander's options. @returns milliseconds */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const durationMs = Number(count) * unitMs(unit)
  if (durationMs > 0 && durationMs <= longestMs) return durationMs
  throw new InvalidArgumentError('It is a number with its unit: 90s, 30m, 12h, 90d; at most ten years.')
}

function unitMs(unit: string | undefined): number {
  switch (unit) {
    case 's':
    case 'm':
    case 'h':
    case 'd':
      return unitsMs[unit]
    default:
      return Number.NaN
  }
}
