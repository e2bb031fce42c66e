/** Real SQL, one statement between lines `-- @@`. It lies beside the project, not in it: a checkout without it goes without. */
import { existsSync, readFileSync } from 'node:fs'

const folder = new URL('../../../shared/corpora/', import.meta.url)

export const corporaAreHere = existsSync(folder)

export function readCorpus(name: string): string[] {
  const text = readFileSync(new URL(`${name}.sql`, folder), 'utf8')
  return text
    .split(/^-- @@$/m)
    .slice(1)
    .map(statement => statement.trim())
    .filter(statement => statement !== '')
}

/** Name of the database → its tables; '' where the file holds but one. */
export function readSchemas(name: string): Map<string, string> {
  const text = readFileSync(new URL(`schemas/${name}.sql`, folder), 'utf8')
  const parts = text.split(/^-- database: (\w+)$/m)
  const schemas = new Map<string, string>()
  if (parts[0]!.trim() !== '' && parts.length === 1) schemas.set('', parts[0]!)
  for (let i = 1; i + 1 < parts.length; i += 2) schemas.set(parts[i]!, parts[i + 1]!)
  return schemas
}
