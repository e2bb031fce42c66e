/** Cron in five fields, as the queue takes it: stars, stars with a divisor, numbers, ranges and lists of them. Pure. */

const fields: readonly (readonly [name: string, least: number, most: number])[] = [
  ['minutes', 0, 59],
  ['hours', 0, 23],
  ['days of the month', 1, 31],
  ['months', 1, 12],
  ['days of the week', 0, 6],
]

/** What is wrong with it, to be said after its name; undefined: nothing. */
export function scheduleFault(schedule: string): string | undefined {
  const written = schedule.split(' ')
  if (written.length !== fields.length) return 'must have five fields: minutes, hours, days, months, days of the week'
  for (const [index, [name, least, most]] of fields.entries()) {
    const bad = written[index]!.split(',').find(part => !isPart(part, least, most))
    if (bad !== undefined)
      return `cannot take "${bad}" for ${name}: ${least} to ${most}, a range such as ${least}-${most}, * or */n`
  }
  return undefined
}

function isPart(part: string, least: number, most: number): boolean {
  if (part === '*') return true
  const divisor = /^\*\/(\d{1,2})$/.exec(part)?.[1]
  if (divisor !== undefined) return Number(divisor) >= 1 && Number(divisor) <= most
  const range = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part)
  if (range === null) return false
  const from = Number(range[1])
  const to = Number(range[2] ?? range[1])
  return from >= least && to <= most && from <= to
}
