/** A host that asks something endless and is killed meanwhile: its library, its place and its statement as JSON in HOST. */
import { z } from 'zod'
import { libraries } from './mcp-speakers.ts'

const hostSchema = z.object({
  library: z.int(),
  place: z.union([
    z.strictObject({ url: z.string(), key: z.string() }),
    z.strictObject({
      command: z.string(),
      args: z.array(z.string()),
      env: z.record(z.string(), z.string()),
    }),
  ]),
  sql: z.string(),
})

const { library, place, sql } = hostSchema.parse(JSON.parse(process.env.HOST ?? ''))
const speaker = await libraries[library]![1](place)
console.log(speaker.pid() ?? 0)
await speaker.call('query', { sql })
