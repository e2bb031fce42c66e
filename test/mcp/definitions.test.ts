/** What hosts are told of the tools, and what that costs them. */
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, it } from 'vitest'
import { definitionOf, toolsOf } from '../../src/mcp/registry.ts'

const tokensMax = 4_000

describe('the definitions', () => {
  const tools = toolsOf({ extended: false })

  it('are the thirteen of the contract, and three more where they are asked for', () => {
    expect(tools.map(tool => tool.name)).toEqual([
      'list_databases',
      'list_tables',
      'describe_table',
      'get_metadata',
      'query',
      'provision_schema',
      'list_schemas',
      'teardown_schema',
      'list_pipelines',
      'configure_pipeline',
      'run_materialization',
      'get_materialization_status',
      'cancel_materialization',
    ])
    const extended = toolsOf({ extended: true }).map(tool => tool.name)
    expect(extended.filter(name => !tools.some(tool => tool.name === name))).toEqual([
      'explain_query',
      'search_objects',
      'save_learning',
    ])
  })

  it(`cost less than ${tokensMax} tokens together`, () => {
    const costs = tools.map(tool => {
      const { name, description, inputSchema } = definitionOf(tool)
      return { name, tokens: countTokens(JSON.stringify({ name, description, inputSchema })) }
    })
    for (const { name, tokens } of costs) console.log(`${String(tokens).padStart(5)}  ${name}`)
    const sum = costs.reduce((all, { tokens }) => all + tokens, 0)
    console.log(`${String(sum).padStart(5)}  in all`)
    expect(sum).toBeLessThan(tokensMax)
  })

  it.each(toolsOf({ extended: true }).map(tool => [tool.name, tool] as const))(
    '%s is a strict object in, an object out, and annotated',
    (_name, tool) => {
      const { inputSchema, outputSchema, annotations, title, description } = definitionOf(tool)
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
      expect(outputSchema).toMatchObject({ type: 'object' })
      expect(Object.values(annotations).every(hint => typeof hint === 'boolean')).toBe(true)
      expect(Object.keys(annotations)).toHaveLength(4)
      expect(title.length * description.length).toBeGreaterThan(0)
      const takesTarget = tool.name !== 'list_databases' && 'database' in tool.input.shape
      expect(takesTarget || tool.name === 'list_databases' || !('schema' in tool.input.shape)).toBe(true)
    },
  )
})
