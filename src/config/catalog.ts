/** Settings of the metadata: how long it is trusted, and what is never sampled. */
import { z } from 'zod'

const milliseconds = (value: number) => z.int().min(0).max(2_147_483_647).default(value)

/**
 * Words of a column's name, so that `card` finds card_number and cardNumber but neither discard nor cardinality; `*`
 * stands for anything.
 */
const sensitiveNames = [
  ...[
    '*passw*',
    'pwd',
    'passphrase',
    'pin',
    '*secret*',
    '*token*',
    '*api*key*',
    'private_key',
    'credential',
    'otp',
    'salt',
  ],
  ...[
    'ssn',
    '*social*security*',
    'sin',
    'nin',
    'national_id',
    'tax_id',
    'tin',
    'vat_id',
    '*passport*',
    'licence_number',
    'license_number',
  ],
  ...['card', '*creditcard*', 'cvv', 'cvc', 'iban', 'bic', 'account_number', 'routing_number', 'salary', 'wage'],
  ...['*email*', 'e_mail', 'mail', '*phone*', 'mobile', 'fax', 'dob', '*birth*', 'ip_address', 'street'],
]

export const catalogConfig = z.strictObject({
  ttlMs: milliseconds(15 * 60_000).describe(
    'Metadata is read again when it is so old, for new sizes; DDL is seen at once.',
  ),
  trustMs: milliseconds(1_000).describe('Metadata is not asked for changes again within so long.'),
  schemasMax: z.int().min(1).max(10_000).default(100).describe('Schemas whose metadata is held in memory.'),
  sensitive: z
    .array(z.string().min(1))
    .default(sensitiveNames)
    .describe('Columns whose values are never sampled, by words of their names; * stands for anything.'),
  sampleRowsMax: z.int().min(0).max(10_000).default(200).describe('Rows read for sample values of a table; 0: none.'),
  sampleTimeoutMs: milliseconds(1_000).describe('A read for sample values is given up after so long.'),
  sampleCostMax: z.number().min(0).default(1_000).describe("Views are sampled up to this estimate of the planner's."),
  sampleTtlMs: milliseconds(15 * 60_000).describe('Sample values are read again when they are so old.'),
})
