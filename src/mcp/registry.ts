/** All tools, in the order in which hosts list them, and what hosts are told of each. */
import { z } from 'zod'
import type { Tool, ToolAnnotations } from './tool.ts'
import { cancelMaterializationTool } from './tools/cancel-materialization.ts'
import { configurePipelineTool } from './tools/configure-pipeline.ts'
import { describeTableTool } from './tools/describe-table.ts'
import { explainQueryTool } from './tools/explain-query.ts'
import { getMaterializationStatusTool } from './tools/get-materialization-status.ts'
import { getMetadataTool } from './tools/get-metadata.ts'
import { listDatabasesTool } from './tools/list-databases.ts'
import { listPipelinesTool } from './tools/list-pipelines.ts'
import { listSchemasTool } from './tools/list-schemas.ts'
import { listTablesTool } from './tools/list-tables.ts'
import { provisionSchemaTool } from './tools/provision-schema.ts'
import { queryTool } from './tools/query.ts'
import { runMaterializationTool } from './tools/run-materialization.ts'
import { saveLearningTool } from './tools/save-learning.ts'
import { searchObjectsTool } from './tools/search-objects.ts'
import { teardownSchemaTool } from './tools/teardown-schema.ts'

const tools: readonly Tool[] = [
  listDatabasesTool,
  listTablesTool,
  describeTableTool,
  getMetadataTool,
  queryTool,
  provisionSchemaTool,
  listSchemasTool,
  teardownSchemaTool,
  listPipelinesTool,
  configurePipelineTool,
  runMaterializationTool,
  getMaterializationStatusTool,
  cancelMaterializationTool,
  explainQueryTool,
  searchObjectsTool,
  saveLearningTool,
]

export function toolsOf(o: { readonly extended: boolean }): readonly Tool[] {
  return tools.filter(tool => o.extended || tool.extended !== true)
}

/** As tools/list has it. */
export interface ToolDefinition {
  name: string
  title: string
  description: string
  inputSchema: { type: 'object'; [keyword: string]: unknown }
  outputSchema: { type: 'object'; [keyword: string]: unknown }
  annotations: ToolAnnotations
}

const definitions = new Map<string, ToolDefinition>()

/** Made once. */
export function definitionOf(tool: Tool): ToolDefinition {
  const made = definitions.get(tool.name) ?? makeDefinition(tool)
  definitions.set(tool.name, made)
  return made
}

function makeDefinition(tool: Tool): ToolDefinition {
  const { name, title, description, annotations } = tool
  const envelope = z.object({
    success: z.boolean(),
    data: tool.output.optional(),
    error: toolError.optional(),
    tenant_id: z.string().nullable(),
    database: z.string().nullable().optional(),
    schema: z.string().nullable().optional(),
    warnings: z.array(z.string()).optional(),
    timing_ms: z.number(),
    request_id: z.string(),
  })
  return {
    name,
    title,
    description,
    inputSchema: { ...plainSchema(tool.input, 'input'), type: 'object' },
    outputSchema: { ...plainSchema(envelope, 'output'), type: 'object' },
    annotations,
  }
}

const toolError = z.object({
  code: z.string(),
  sqlstate: z.string(),
  message: z.string(),
  detail: z.string().optional(),
  hint: z.string().optional(),
  retry_after_s: z.int().optional(),
})

/** Without what costs tokens and says nothing: the dialect, and the bounds that every whole number has. */
function plainSchema(schema: z.ZodObject, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...plain } = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  })
  return plain
}
