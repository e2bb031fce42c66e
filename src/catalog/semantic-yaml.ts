/** The text of `semantic/<tenant>.yml` → what it defines. Pure. */
import { SqlError } from '../errors.ts'
import { readSemantics } from './semantic-document.ts'
import { semanticFaults } from './semantic-faults.ts'
import type { SemanticLayer } from './semantic-layer.ts'
import type { ExpressionReader } from './semantic-sql.ts'
import { parseYaml, placeFaults } from './strict-yaml.ts'

export interface ReadFile {
  readonly layer: SemanticLayer
  /** As YAML has it, for whoever stores it. */
  readonly document: unknown
}

/** @param name stands before the lines of faults. @throws SqlError F0000 with every fault and its line */
export function parseSemantics(text: string, name: string, parser: ExpressionReader): ReadFile {
  const yaml = parseYaml(text, name)
  if ('faults' in yaml) throw refusedSemantics(yaml.faults)
  const read = readSemantics(yaml.plain, parser, path => `${name}:${yaml.lineOf(path)}`)
  if (read.layer !== undefined) return { layer: read.layer, document: yaml.plain }
  throw refusedSemantics(placeFaults(yaml, name, semanticFaults(read.faults, yaml.plain)))
}

export function refusedSemantics(faults: readonly string[]): SqlError {
  return new SqlError({ code: 'F0000', message: ['The semantic layer is refused:', ...faults].join('\n  ') })
}
