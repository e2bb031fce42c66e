/** Settings of the semantic layer. */
import { z } from 'zod'

export const semanticConfig = z.strictObject({
  dir: z
    .string()
    .min(1)
    .default('semantic')
    .describe('Folder of semantic/<tenant>.yml: what the tables of a tenant mean. Read again when a file changes.'),
})
