import type { Command } from 'commander'
import type { Knobs } from '../control/pipelines.ts'
import { SqlError } from '../errors.ts'

export interface KnobOptions {
  readonly set: readonly string[]
  readonly unset: readonly string[]
}

const collect = (value: string, before: readonly string[]) => [...before, value]

export function withKnobs(command: Command): Command {
  return command
    .option('--set <name=value>', 'set a knob; lists and the like as JSON; several times', collect, [])
    .option('--unset <name>', 'back to its default; several times', collect, [])
}

/** @param schema JSON schema that tells which of them are texts. @throws SqlError 22023 */
export function changeKnobs(before: Knobs, schema: Knobs, { set, unset }: KnobOptions): Knobs {
  const knobs = new Map(Object.entries(before))
  for (const name of unset) knobs.delete(name)
  for (const one of set) {
    const at = one.indexOf('=')
    if (at <= 0) throw new SqlError({ code: '22023', message: `${JSON.stringify(one)} is not <name>=<value>` })
    const name = one.slice(0, at)
    knobs.set(name, readValue(schema, name, one.slice(at + 1)))
  }
  return Object.fromEntries(knobs)
}

function readValue(schema: Knobs, name: string, text: string): unknown {
  const { properties } = schema
  const all: ReadonlyMap<string, unknown> = new Map(Object.entries(isTree(properties) ? properties : {}))
  const property = all.get(name)
  if (!isTree(property) || property.type === 'string') return text
  try {
    return JSON.parse(text)
  } catch {
    throw new SqlError({ code: '22023', message: `${name} is ${String(property.type)}: write its value as JSON` })
  }
}

function isTree(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null
}
