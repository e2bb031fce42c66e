/** Settings of what loads data. */
import { z } from 'zod'

const folder = () => z.string().min(1).nullable().default(null)

export const materializeConfig = z.strictObject({
  connectorsDir: folder().describe(
    'Folder of <name>/connector.yml: connector types besides those that ship. Unset: connectors beside dataDir.',
  ),
  pipelinesDir: folder().describe(
    'Folder of *.yml: what loads data; read again when a file changes. Unset: pipelines beside dataDir.',
  ),
})
