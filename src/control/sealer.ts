/** Seals secrets before they are stored: identity's AES-GCM envelope, or a secrets manager behind the same face. */
export interface Sealer {
  /** The id of the key that `seal` uses. */
  readonly keyId: string
  /** `context` names the place of the secret; what was sealed for one place does not open for another. */
  seal(plain: string, context: string): string
  /** @throws SqlError XX001 where the envelope is damaged, of another place, or of a key that is not there. */
  open(sealed: string, context: string): string
}
