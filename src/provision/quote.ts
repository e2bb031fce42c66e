/** The one place where names and texts become SQL: utility statements take no parameters. */
import pg from 'pg'

/** `"name"`, safe wherever SQL wants an identifier. */
export function quoteName(name: string): string {
  return pg.escapeIdentifier(name)
}

/** `"schema"."name"` */
export function quoteRelation(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`
}

/** `'text'`, safe whatever standard_conforming_strings says. */
export function quoteText(text: string): string {
  return pg.escapeLiteral(text)
}
