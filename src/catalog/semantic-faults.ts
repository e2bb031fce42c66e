/** What is wrong with a semantic document, in words that say what to write instead. */
import { z } from 'zod'
import type { SemanticFaults } from './semantic-document.ts'
import { semanticDocument } from './semantic-schema.ts'
import { describeIssues, type Fault } from './strict-yaml.ts'

const shape: unknown = z.toJSONSchema(semanticDocument, { io: 'input', unrepresentable: 'any' })

export function semanticFaults({ issues, others }: SemanticFaults, plain: unknown): Fault[] {
  return [...describeIssues(issues, shape, plain), ...others]
}
