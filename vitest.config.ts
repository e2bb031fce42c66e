import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Two at a time suits two cores, each with a server of its own. A server named from outside is one, and roles
    // belong to a server: there, one file at a time.
    maxWorkers: process.env.TEST_DATABASE_URL ? 1 : 2,
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/leaks.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
