import { SqlError } from '../errors.ts'

const nameMaxChars = 63
const loginMaxChars = 128

/**
 * A name that a person gives to a tenant, database or server: letters, digits, `.`, `_` and `-`, at most 63 characters.
 * @throws SqlError 42602 (invalid_name)
 */
export function checkName(what: string, name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u.test(name) && name.length <= nameMaxChars) return
  throw new SqlError({
    code: '42602',
    message: `${JSON.stringify(name)} cannot be the name of a ${what}`,
    hint: `Use letters, digits, ".", "_" and "-", beginning with a letter or digit, at most ${nameMaxChars} characters.`,
  })
}

/**
 * A user's login within his tenant. It may hold `@` (a mail address): the tenant stands after the last one.
 * @throws SqlError 42602 (invalid_name)
 */
export function checkLogin(login: string): void {
  if (/^[^\s\p{C}"'\\]+$/u.test(login) && !/^@|@$/.test(login) && login.length <= loginMaxChars) return
  throw new SqlError({
    code: '42602',
    message: `${JSON.stringify(login)} cannot be a login`,
    hint: `Use at most ${loginMaxChars} characters, no white space, quotes or backslashes, and no "@" at either end.`,
  })
}

export function missing(what: string, name: string): SqlError {
  return new SqlError({ code: '42704', message: `${what} ${JSON.stringify(name)} does not exist` })
}

export function duplicate(what: string, name: string): SqlError {
  return new SqlError({ code: '42710', message: `${what} ${JSON.stringify(name)} exists already` })
}
