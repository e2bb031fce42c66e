/** Settings of schemas that users provision for themselves. */
import { z } from 'zod'

const dayHours = 24

export const schemasConfig = z.strictObject({
  tenantMax: z.int().min(1).max(100_000).default(20).describe('Provisioned schemas of one tenant.'),
  userMax: z.int().min(1).max(100_000).default(5).describe('Provisioned schemas of one user.'),
  ttlHours: z
    .int()
    .min(1)
    .max(365 * dayHours)
    .default(dayHours)
    .describe('A provisioned schema that nobody has used for so long is dropped.'),
  ttlHoursMax: z
    .int()
    .min(1)
    .max(365 * dayHours)
    .default(30 * dayHours)
    .describe('The longest that a user may ask for.'),
})
