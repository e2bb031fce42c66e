/** What every agent pays for before its first call. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { expect, it } from 'vitest'
import { definitionOf, toolsOf } from '../../src/mcp/registry.ts'
import type { Tool } from '../../src/mcp/tool.ts'

const tokensMax = 260
const tools = toolsOf({ extended: true })

function costOf(tool: Tool): number {
  const { name, description, inputSchema } = definitionOf(tool)
  return encode(JSON.stringify({ name, description, inputSchema })).length
}

it.each(tools.map(tool => [tool.name, tool] as const))('%s is told of in few tokens', (name, tool) => {
  console.log(name, costOf(tool))
  expect(costOf(tool)).toBeLessThanOrEqual(tokensMax)
})

it('the thirteen together leave room for the work', () => {
  const thirteen = toolsOf({ extended: false })
  const total = thirteen.reduce((sum, tool) => sum + costOf(tool), 0)
  console.log(`${thirteen.length} tools: ${total} tokens`)
  expect(thirteen).toHaveLength(13)
  expect(total).toBeLessThan(4_000)
})

it('is strict: what a tool does not know is refused', () => {
  for (const tool of tools) {
    expect(definitionOf(tool).inputSchema).toMatchObject({ additionalProperties: false })
    if (tool.name !== 'list_databases')
      expect(Object.keys(tool.input.shape)).toEqual(expect.arrayContaining(['database', 'schema']))
  }
})
