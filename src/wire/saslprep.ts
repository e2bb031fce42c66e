/**
 * Password preparation for SCRAM (RFC 4013), with the choices that Postgres makes, so that both sides derive the same
 * key: what stringprep forbids is used as it is, byte for byte. Tables: RFC 3454 A.1, B.1, C.1.2 to C.9, D.1, D.2 as flat
 * ranges of code points, made by scripts/generate-saslprep.py.
 */
import tables from './saslprep.json' with { type: 'json' }

export function prepareSasl(password: string): string {
  if (!/[^\x00-\x7f]/.test(password)) return password
  const mapped: number[] = []
  for (const character of password) {
    const point = character.codePointAt(0)!
    if (isIn(tables.space, point)) mapped.push(0x20)
    else if (!isIn(tables.nothing, point)) mapped.push(point)
  }
  if (mapped.length === 0 || mapped.some(point => isIn(tables.prohibited, point)) || !isOneDirection(mapped)) {
    return password
  }
  return String.fromCodePoint(...mapped).normalize('NFKC')
}

/** RFC 3454 section 6: right-to-left text begins and ends right to left and holds nothing left to right. */
function isOneDirection(points: readonly number[]): boolean {
  const isRight = (point: number | undefined) => point !== undefined && isIn(tables.rightToLeft, point)
  if (!points.some(isRight)) return true
  return isRight(points[0]) && isRight(points.at(-1)) && !points.some(point => isIn(tables.leftToRight, point))
}

function isIn(ranges: readonly number[], point: number): boolean {
  let low = 0
  let high = ranges.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (point > ranges[2 * middle + 1]!) low = middle + 1
    else high = middle
  }
  return 2 * low < ranges.length && point >= ranges[2 * low]!
}
