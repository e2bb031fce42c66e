/** What `postern doctor` says of one thing. A doubt works and should not stay; a fault does not work. */
export interface Finding {
  readonly what: string
  readonly state: 'good' | 'doubt' | 'fault'
  readonly found: string
  readonly mend?: string | undefined
}
