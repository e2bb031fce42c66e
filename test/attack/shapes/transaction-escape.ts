/** Leaving the read-only transaction. Accepted words must change nothing: the write that follows is what counts. */
import { type Shape, statement } from '../support/shape.ts'

const write = "insert into target values (2, 'written')"

/** Ways to ask for READ WRITE; each is accepted and means nothing. */
export const readWriteAsks: readonly string[] = [
  'begin read write',
  'start transaction read write',
  'begin isolation level serializable, read write',
  'begin; set transaction read write',
  'begin; set local transaction_read_only = off',
  'begin; set transaction_read_only to false',
  'set session characteristics as transaction read write; begin',
  'set default_transaction_read_only = off; begin',
  'begin; savepoint a; set transaction read write; release a',
  'begin; commit and chain; set transaction read write',
  'begin read only; rollback and chain; set transaction isolation level read committed, read write',
]

export const transactionEscape: readonly Shape[] = [
  ...readWriteAsks.map(ask => statement(`${ask}; ${write}; commit`)),
  ...readWriteAsks.map(ask => statement(`${ask}; select nextval('counter'); commit`)),
  ...readWriteAsks.map(ask => statement(`${ask}; select lo_create(0); commit`)),
  statement(`commit; ${write}`),
  statement(`rollback; ${write}`),
  statement(`abort; ${write}; begin`),
  statement(`end; ${write}`),
  statement(`begin; select 1; commit; ${write}`),
  statement(`begin; select 1/0; rollback; ${write}`),
  statement(`begin; commit and chain; ${write}; commit`),
  statement("prepare transaction 'x'"),
  statement("begin; prepare transaction 'x'"),
  statement("commit prepared 'x'", { rolesHold: true }),
  statement("rollback prepared 'x'", { rolesHold: true }),
  statement("begin; set transaction snapshot '00000003-0000001B-1'; select 1; commit"),
  statement('set session_replication_role = replica', { rolesHold: true }),
  statement('alter role current_user set default_transaction_read_only = off'),
  statement('alter role all set default_transaction_read_only = off', { rolesHold: true }),
  statement('alter user current_user reset all'),
  statement('alter database postgres set default_transaction_read_only = off', { rolesHold: true }),
  statement("alter role current_user password 'x'"),
  statement('alter role current_user in database postgres set role = none'),
]
