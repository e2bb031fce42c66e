/** What every agent pays for before its first call. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { expect, it } from 'vitest'
import { definitionOf } from '../../src/mcp/registry.ts'
import type { Tool } from '../../src/mcp/tool.ts'
import { cancelMaterializationTool } from '../../src/mcp/tools/cancel-materialization.ts'
import { configurePipelineTool } from '../../src/mcp/tools/configure-pipeline.ts'
import { describeTableTool } from '../../src/mcp/tools/describe-table.ts'
import { getMaterializationStatusTool } from '../../src/mcp/tools/get-materialization-status.ts'
import { getMetadataTool } from '../../src/mcp/tools/get-metadata.ts'
import { listPipelinesTool } from '../../src/mcp/tools/list-pipelines.ts'
import { listSchemasTool } from '../../src/mcp/tools/list-schemas.ts'
import { listTablesTool } from '../../src/mcp/tools/list-tables.ts'
import { provisionSchemaTool } from '../../src/mcp/tools/provision-schema.ts'
import { runMaterializationTool } from '../../src/mcp/tools/run-materialization.ts'
import { saveLearningTool } from '../../src/mcp/tools/save-learning.ts'
import { searchObjectsTool } from '../../src/mcp/tools/search-objects.ts'
import { teardownSchemaTool } from '../../src/mcp/tools/teardown-schema.ts'

const tokensMax = 250
const tools: readonly Tool[] = [
  ...[listTablesTool, describeTableTool, getMetadataTool, provisionSchemaTool, listSchemasTool, teardownSchemaTool],
  ...[listPipelinesTool, configurePipelineTool, runMaterializationTool, getMaterializationStatusTool],
  ...[cancelMaterializationTool, searchObjectsTool, saveLearningTool],
]

function costOf(tool: Tool): number {
  const { name, description, inputSchema } = definitionOf(tool)
  return encode(JSON.stringify({ name, description, inputSchema })).length
}

it.each(tools.map(tool => [tool.name, tool] as const))('%s is told of in few tokens', (name, tool) => {
  console.log(name, costOf(tool))
  expect(costOf(tool)).toBeLessThanOrEqual(tokensMax)
})

it('leaves room for the rest of the thirteen', () => {
  const always = tools.filter(tool => tool.extended !== true)
  const total = always.reduce((sum, tool) => sum + costOf(tool), 0)
  console.log(`${always.length} tools: ${total}`)
  expect(total).toBeLessThan(3_000)
})

it('is strict: what a tool does not know is refused', () => {
  for (const tool of tools) {
    expect(definitionOf(tool).inputSchema).toMatchObject({ additionalProperties: false })
    expect(Object.keys(tool.input.shape)).toEqual(expect.arrayContaining(['database', 'schema']))
  }
})
