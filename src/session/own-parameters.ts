/** Parameters that a server reports about its login, not about the client. */
export const ownParameters: ReadonlySet<string> = new Set([
  'session_authorization',
  'is_superuser',
  'in_hot_standby',
  'scram_iterations',
])
