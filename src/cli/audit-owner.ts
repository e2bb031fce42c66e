/** The audit log as those commands see it that read it: the service may only add to it. */
import pg from 'pg'
import { SqlError } from '../errors.ts'
import type { Stores } from '../serve/stores.ts'
import { withStores } from './administer.ts'
import type { Run } from './command.ts'

/** Opens the control database as its owner for `work`. @throws SqlError 42501 where the login is not the owner */
export function withLog<T>(run: Run, work: (owner: pg.Pool, stores: Stores) => Promise<T>): Promise<T> {
  return withStores(run, async stores => {
    const owner = stores.openOwner()
    try {
      return await work(owner, stores)
    } catch (cause) {
      if (!(cause instanceof pg.DatabaseError) || cause.code !== '42501') throw cause
      const hint = 'Let POSTERN_CONTROL_URL name the login that ran "postern migrate", for this command.'
      const message = 'only the owner of the control database may read the audit log'
      throw new SqlError({ code: '42501', message, hint, cause })
    } finally {
      await owner.end()
    }
  })
}
