/** What an argument that is being typed may become: only names that this caller may use. */
import { resolveTarget } from './target.ts'
import type { ToolContext } from './tool.ts'
import { catalogRequest, readableSchemas } from './tools/place.ts'

/** Arguments of prompts and resource templates that can be completed. */
export const completedArguments = ['database', 'schema', 'table', 'pipeline'] as const
export type CompletedArgument = (typeof completedArguments)[number]

const valuesMax = 100

export interface Completion {
  /** At most 100: those that begin with what was typed, then those that contain it. */
  readonly values: readonly string[]
  readonly total: number
}

/**
 * @param context with the arguments given so far as its target
 * @throws SqlError where the names cannot be looked up: unknown is not none
 */
export async function complete(argument: CompletedArgument, typed: string, context: ToolContext): Promise<Completion> {
  if (!context.principal.scopes.has('data:read')) return { values: [], total: 0 }
  const wanted = typed.toLowerCase()
  const names = (await namesFor(argument, context)).filter(name => name.toLowerCase().includes(wanted))
  const begins = (name: string) => (name.toLowerCase().startsWith(wanted) ? 0 : 1)
  names.sort((a, b) => begins(a) - begins(b) || (a < b ? -1 : 1))
  return { values: names.slice(0, valuesMax), total: names.length }
}

async function namesFor(argument: CompletedArgument, context: ToolContext): Promise<string[]> {
  const { principal, services, target } = context
  switch (argument) {
    case 'database':
      return services.directory.all(principal.tenant).map(database => database.alias)
    case 'schema':
      return [...readableSchemas(context, { database: services.directory.find(principal, target.database) })]
    case 'table': {
      const place = await resolveTarget(context)
      const metadata = await services.catalog.metadata(principal, place.database, catalogRequest(context, place))
      return metadata.tables.map(table => table.name)
    }
    case 'pipeline':
      return (await services.runs.pipelines(principal)).map(pipeline => pipeline.name)
  }
}
