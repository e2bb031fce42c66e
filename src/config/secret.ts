import { z } from 'zod'

/** A value that must not be shown: it prints, logs and serializes as `***`. `reveal` is the one way to it. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '***'
  }
}

/** A setting that is one: never empty. */
export const secret = () =>
  z
    .string()
    .min(1)
    .transform(text => new Secret(text))
