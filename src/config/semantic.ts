/** Settings of the semantic layer. */
import { z } from 'zod'

export const semanticConfig = z.strictObject({
  dir: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'Folder of <tenant>.yml: what the tables of a tenant mean; read again when a file changes. Unset: semantic beside dataDir.',
    ),
})
