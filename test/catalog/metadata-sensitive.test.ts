/** Which names of columns keep their values out of samples. */
import { expect, test } from 'vitest'
import { sensitiveMatcher } from '../../src/catalog/sensitive.ts'
import { configSchema } from '../../src/config.ts'

const isSensitive = sensitiveMatcher(configSchema.parse({}).catalog.sensitive)

test.each([
  ...[
    'password',
    'password_hash',
    'userPassword',
    'PASSWD',
    'api_key',
    'apikey',
    'access_token',
    'refreshToken',
    'clientSecret',
  ],
  ...[
    'ssn',
    'SSN',
    'customer_ssn',
    'card',
    'card_number',
    'cardNumber',
    'card-number',
    'cards',
    'creditcard',
    'cvv',
    'iban',
    'IBAN_2',
  ],
  ...[
    'email',
    'Email Address',
    'contact_emails',
    'e_mail',
    'phone',
    'telephone',
    'mobile',
    'dob',
    'date_of_birth',
    'birthdate',
  ],
  ...['national_id', 'nationalId', 'passport_no', 'salary', 'pin', 'ip_address'],
])('%s is sensitive', name => expect(isSensitive(name)).toBe(true))

test.each([
  ...[
    'classname',
    'cardinality',
    'discard',
    'adobe',
    'shipping',
    'pinned',
    'mailing_list_size',
    'name',
    'id',
    'total',
    'status',
  ],
  ...['national', 'sinus', 'passing_grade'],
  ...['', '_', '"', '客户'],
])('%s is not', name => expect(isSensitive(name)).toBe(false))

test('the operator’s own words take the place of ours', () => {
  const own = sensitiveMatcher(['geheim', '*konto*', '.*', '客户'])
  expect(['geheim_1', 'bankkontonummer', '客户'].map(own)).toEqual([true, true, true])
  expect(['email', 'geheimnis', 'x'].map(own)).toEqual([false, false, false])
})
