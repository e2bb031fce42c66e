/** Runs shapes through a gateway in every way and disguise, and tells what came of it. */
import { encodeQuery } from '../../../src/wire/query.ts'
import type { RawClient, RawFrame } from '../../support/raw-client.ts'
import { Agent } from './agent.ts'
import type { Arena } from './arena.ts'
import { type Disguised, disguisesOf } from './disguises.ts'
import { isKnownTo, type Shape } from './shape.ts'
import { bystanders, extended, simple, type Way, ways } from './ways.ts'

/** What must not be, by shape. */
class Findings {
  private readonly found = new Map<string, { readonly example: string; count: number }>()

  add(what: string, shape: Shape, example: string): void {
    const key = `${what}: ${shape.name}`
    const known = this.found.get(key)
    if (known === undefined) this.found.set(key, { example, count: 1 })
    else known.count++
  }

  lines(): string[] {
    return [...this.found].map(
      ([key, { example, count }]) => `${key} (${count} times, the first: ${example.slice(0, 300)})`,
    )
  }
}

interface Try {
  readonly shape: Shape
  readonly way: Way
  readonly disguised: Disguised
}

type Outcome = 'refused' | 'ran' | 'unparsed'

/**
 * Tries every shape and returns what must not be: an effect or a secret in a reply; a text that the guard let run without a
 * reason listed; a disguise that is no SQL, which proves nothing; a reason listed in vain. The counters go to the output.
 */
export async function attack(arena: Arena, name: string, shapes: readonly Shape[]): Promise<string[]> {
  const findings = new Findings()
  const counts = new Map<string, number>()
  const attacker = new Attacker(arena, findings)
  let before = await arena.look()
  const known = shapes.filter(shape => isKnownTo(shape, arena.major))
  for (const [turn, shape] of known.entries()) {
    let ran = 0
    if (shape.setup !== undefined) await attacker.say(shape, [encodeQuery(shape.setup)], '')
    for (const one of triesOf(shape, turn, arena)) {
      const outcome = await attacker.attempt(one)
      counts.set(one.way.name, (counts.get(one.way.name) ?? 0) + 1)
      if (outcome === 'ran') ran++
      if (outcome === 'ran' && shape.harmless === undefined) findings.add('let through', shape, wordsOf(one))
      if (outcome === 'unparsed' && shape.verbatim !== true) findings.add('no SQL', shape, wordsOf(one))
    }
    if (shape.setup !== undefined) await attacker.say(shape, [encodeQuery('reset all')], '')
    if (ran === 0 && shape.harmless !== undefined) findings.add('listed as harmless in vain', shape, '')
    const after = await arena.look()
    for (const thing of Object.keys({ ...before, ...after })) {
      if (before[thing] !== after[thing])
        findings.add('EFFECT', shape, `${thing} was ${before[thing]}, is ${after[thing]}`)
    }
    if (JSON.stringify(before) !== JSON.stringify(after)) arena.discardPool()
    before = after
  }
  await attacker.close()
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const each = [...counts].map(([way, count]) => `${way} ${count}`).join(', ')
  process.stdout.write(`[attack] ${name}: ${known.length} shapes, ${total} cases: ${each}\n`)
  return findings.lines()
}

/** ATTACK_FULL=1: every disguise of every shape; else a third of them, another third for the next shape. */
const full = process.env.ATTACK_FULL === '1'

/** The plain form goes in every way; the disguises by one of the protocols, and by one more way each, in turn. */
function* triesOf(shape: Shape, turn: number, arena: Arena): Generator<Try> {
  const [plain, ...rest] = disguisesOf(shape, arena.served.database.name)
  const fittingTo = ({ isQuery }: Disguised) => ways.filter(way => isQuery || !way.queriesOnly)
  if (plain !== undefined) for (const way of fittingTo(plain)) yield { shape, way, disguised: plain }
  for (const [at, disguised] of rest.entries()) {
    if (!full && (at + turn) % 3 !== 0) continue
    const round = full ? at + turn : Math.floor((at + turn) / 3)
    yield { shape, way: round % 2 === 0 ? simple : extended, disguised }
    const fitting = fittingTo(disguised)
    const another = fitting[round % fitting.length]
    if (another !== undefined && another !== simple && another !== extended) yield { shape, way: another, disguised }
  }
}

class Attacker {
  private readonly arena: Arena
  private readonly findings: Findings
  private client: RawClient | undefined
  private agent: Agent | undefined

  constructor(arena: Arena, findings: Findings) {
    this.arena = arena
    this.findings = findings
  }

  async close(): Promise<void> {
    await this.client?.close()
    await this.agent?.close()
  }

  async attempt(one: Try): Promise<Outcome> {
    const { records } = this.arena.served
    records.length = 0
    const { told, failed } = await this.hand(one)
    for (const secret of this.secretsIn(told, one.disguised.text)) {
      this.findings.add('EFFECT', one.shape, `${secret} was shown: ${wordsOf(one)}`)
    }
    const ran = records.some(
      record => record.kind === 'statement' && record.verdict !== undefined && !bystanders.has(record.text ?? ''),
    )
    if (ran) return 'ran'
    const isOne = one.shape.kind !== 'statement' || !one.shape.sql.includes(';')
    if (isOne && records.some(record => record.kind === 'refusal' && record.sqlstate === '42601')) return 'unparsed'
    return failed ? 'refused' : 'ran'
  }

  /** All that was answered, and whether there was an error in it. */
  private async hand({ shape, way, disguised }: Try): Promise<{ readonly told: string; readonly failed: boolean }> {
    if (way.messages === undefined) {
      this.agent ??= await Agent.open(this.arena.served)
      return await this.agent.ask(disguised.text)
    }
    const frames = await this.say(shape, way.messages(disguised.text), wordsOf({ shape, way, disguised }))
    const told = Buffer.concat(frames.map(({ body }) => body)).toString('latin1')
    return { told, failed: frames.some(({ type }) => type === 'E') }
  }

  /** What was answered up to the last ReadyForQuery; a connection that ends is a finding. */
  async say(shape: Shape, messages: readonly Buffer[], words: string): Promise<readonly RawFrame[]> {
    this.client ??= await this.arena.open()
    try {
      this.client.send(...messages)
      return await this.client.untilReady(messages.filter(({ 0: type }) => type === 0x51 || type === 0x53).length)
    } catch (error) {
      this.findings.add('EFFECT', shape, `${String(error)}: ${words}`)
      this.client.socket.destroy()
      this.client = undefined
      return []
    }
  }

  private secretsIn(reply: string, text: string): readonly string[] {
    const own = text.toLowerCase()
    const told = [...this.arena.secrets, 'root:x:0:0', 'LEAK-RAN'].filter(secret => !own.includes(secret.toLowerCase()))
    return told.filter(secret => reply.includes(secret))
  }
}

function wordsOf({ way, disguised }: Try): string {
  return `[${way.name}, ${disguised.how}] ${disguised.text}`
}
